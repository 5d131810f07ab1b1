# Lockkeeper's image. Targets: `lockkeeper`, which is what you get without --target, has the program and no migrations;
# `fossawork` adds the reference application's. docs/image.md says how to use, derive and build it.

# The base images. Pin them by digest where you publish: --build-arg RUNTIME_IMAGE=name:tag@sha256:... (docs/image.md)
ARG BUILD_IMAGE=node:24.21.0-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

# What is built is the same for every architecture, so it is built on the one that builds.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
# Nothing is compiled: esbuild comes as a program of its platform, and no package's script runs. A private CA is a secret
# of this one step, and there is none unless it was given: --secret id=ca,src=bundle.pem
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.npm \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY tsconfig.json LICENSE ./
COPY scripts/*.ts scripts/
COPY src src
COPY migrations/*.sql /out/fossawork/migrations/
# Node reads source maps only when asked to, and few names are shortened: they would be half as much again, for nothing.
# Times and modes are set so that neither the clock nor a checkout's umask shows in the layers.
ARG SOURCE_DATE_EPOCH=0
RUN node scripts/build.ts \
    && mkdir -p /out/program/lockkeeper \
    && mv dist /out/program/lockkeeper/dist \
    && find /out/program -name '*.map' -delete \
    && node -p 'const { name, version, type, license } = require("./package.json"); JSON.stringify({ name, version, type, license })' \
      > /out/program/lockkeeper/package.json \
    && cp LICENSE /out/program/lockkeeper/ \
    && find /out -type d -exec chmod 755 {} + \
    && find /out -type f -exec chmod 644 {} + \
    && find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${RUNTIME_IMAGE} AS program
ARG RUNTIME_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="lockkeeper" \
      org.opencontainers.image.description="Deploy-time job for SQLite on Kubernetes: lock, back up, migrate, validate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
COPY --from=build /out/program/ /
# By number, or runAsNonRoot could not be checked. Any other works as well.
USER 65532:65532
# A folder that every user may enter.
WORKDIR /
ENTRYPOINT ["/nodejs/bin/node", "/lockkeeper/dist/cli.js"]

FROM program AS fossawork
COPY --from=build /out/fossawork/ /

FROM program AS lockkeeper
