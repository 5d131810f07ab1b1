/** Why there are no credentials: said of whoever gives them (STS, the container's agent, a file), not of the object store. */

import { systemCode } from '../../errors.ts'
import { OutOfTime, statusOf } from './attempts.ts'
import { explainConnection } from './explain-connection.ts'
import { type Circumstances, type Explanation, summary } from './summary.ts'

const usualHint =
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the service account of the pod a role (IRSA, Pod Identity). A credential_process needs a shell, which the image has not.'

/** @param error what a provider of the SDK's chain threw */
export function explainCredentials(error: unknown, at: Circumstances): Explanation {
  const name = error instanceof Error ? error.name : ''
  const status = statusOf(error)
  const said = summary(error, at)
  // Of a file, not of a connection.
  if (/^(ENOENT|EACCES)$/.test(systemCode(error) ?? '') && !isConnecting(error))
    return {
      code: 'config',
      what: `the token for the credentials cannot be read: ${said}`,
      hint: 'Check AWS_WEB_IDENTITY_TOKEN_FILE, that Kubernetes mounts the token there, and that this user may read it (fsGroup).',
    }
  if (/InvalidIdentityToken|ExpiredToken|IDPRejectedClaim/.test(name))
    return {
      code: 'denied',
      what: `the token of the service account is not accepted: ${said}`,
      hint: 'Check the identity provider of the cluster in the account, and the audience and the age of the token.',
    }
  if (status !== undefined && status < 500 && status !== 429)
    return {
      code: 'denied',
      what: `the role for the credentials is not given: ${said}`,
      hint: 'Check AWS_ROLE_ARN, and the trust policy of the role: it has to name this service account.',
    }
  if (status !== undefined)
    return {
      code: 'storage',
      what: `the service that gives credentials has a problem: ${said}`,
      hint: 'It is not the object store (STS, or the agent of the node). Run the same command again.',
    }
  const connection = explainConnection(error, at)
  if (connection !== undefined || error instanceof OutOfTime)
    return {
      code: connection?.code ?? 'storage',
      what: `the service that gives credentials cannot be reached: ${said}`,
      hint: 'It is not the object store but STS, or the agent of the node: check the network to it, and AWS_ENDPOINT_URL_STS.',
    }
  return { code: 'config', what: `there are no credentials for the object store: ${said}`, hint: usualHint }
}

function isConnecting(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect'
}
