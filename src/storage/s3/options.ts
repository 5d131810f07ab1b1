/** The settings of the S3 store, as values: whoever calls decides where they come from. */

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface S3Options {
  /** `http://host:port` or `https://...` of a server of your own. Default: the AWS SDK's own (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, profile), else AWS. */
  readonly endpoint?: string | undefined
  /** Default: the AWS SDK's own (AWS_REGION, profile); with an endpoint of your own and none set, `us-east-1`. */
  readonly region?: string | undefined
  /** Whether the bucket is in the path (`on`) or in the host name (`off`). Default `auto`: `on` with an endpoint of your own. */
  readonly pathStyle?: 'auto' | 'on' | 'off' | undefined
  /** Default: the AWS SDK's own chain: environment, profile, process, web identity, container, instance. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined
  /** Path of a PEM file with certificate authorities to trust, besides those that Node trusts (NODE_EXTRA_CA_CERTS included). */
  readonly caBundle?: string | undefined
  /** URLs of proxies for endpoints with https: and http:, and what goes past them, as in HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
  readonly proxy?:
    | { readonly https?: string | undefined; readonly http?: string | undefined; readonly none?: string | undefined }
    | undefined
  /** Encryption by the server: with keys of S3 (`AES256`), the account's KMS key (`aws:kms`) or a KMS key of your own. Default: what the bucket says. */
  readonly encryption?: 'AES256' | 'aws:kms' | { readonly kmsKey: string } | undefined
  /** Storage class of new objects, such as `STANDARD_IA`; archives that need hours to be read do not work. Default: the bucket's. */
  readonly storageClass?: string | undefined
  /** Tags of new objects, for lifecycle and billing. Needs the permission s3:PutObjectTagging. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Requests at once. Default 8. */
  readonly concurrency?: number | undefined
  /** How often a request is made before a failure that may pass is taken for one. Default 8, about 20 s. */
  readonly attempts?: number | undefined
  /**
   * In milliseconds: until there is a connection (5,000), without a byte either way (30,000), for one attempt at a request
   * that sends no content (120,000), for one request with all its attempts (600,000).
   */
  readonly timeouts?:
    | {
        readonly connect?: number | undefined
        readonly idle?: number | undefined
        readonly request?: number | undefined
        readonly operation?: number | undefined
      }
    | undefined
}
