/** What went wrong before there was an answer: credentials, TLS, the network. */

import { systemCode } from '../../errors.ts'
import { type Circumstances, type Explanation, slowHint, summary } from './summary.ts'

/** Undefined for anything else. */
export function explainConnection(error: unknown, at: Circumstances): Explanation | undefined {
  return explainTls(error, at) ?? explainNetwork(error, at)
}

const tlsCodes =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_|HOSTNAME_MISMATCH$|ERR_TLS_|ERR_SSL_|EPROTO$|INVALID_CA$)/

function explainTls(error: unknown, at: Circumstances): Explanation | undefined {
  const code = systemCode(error) ?? ''
  if (!tlsCodes.test(code)) return undefined
  const what = `no trusted TLS connection to ${at.place}: ${summary(error, at)}`
  if (/wrong.version|packet.length|http.request/i.test(`${code} ${what}`)) {
    return {
      code: 'config',
      what,
      hint: 'Something else than TLS answers there: check the port, and http: or https: of the endpoint.',
    }
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return {
      code: 'config',
      what,
      hint: 'Use the name for which the certificate was made; where it is not made for bucket.host, set LOCKKEEPER_S3_PATH_STYLE=on.',
    }
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return {
      code: 'config',
      what,
      hint: 'Renew the certificate of the object store, or set the clock of this machine.',
    }
  }
  return {
    code: 'config',
    what,
    hint: 'For a private certificate authority set AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS to its certificate in PEM format.',
  }
}

function explainNetwork(error: unknown, at: Circumstances): Explanation | undefined {
  const code = systemCode(error) ?? ''
  const name = error instanceof Error ? error.name : ''
  const storage = (what: string, hint: string): Explanation => ({ code: 'storage', what, hint })
  const style = at.pathStyle ? '' : ' Where the server knows no bucket.host names, set LOCKKEEPER_S3_PATH_STYLE=on.'
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return storage(
        `the name of the object store cannot be resolved: ${summary(error, at)}`,
        `Check the host in the endpoint, and the DNS of the pod.${style}`,
      )
    case 'ECONNREFUSED':
      return storage(
        `nothing listens there: ${summary(error, at)}`,
        'Check host and port of the endpoint, and that the object store runs.',
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return storage(`no way to the object store: ${summary(error, at)}`, 'Check the network and its policies.')
    case 'EACCES':
    case 'EPERM':
      return storage(
        `this machine does not let the connection out: ${summary(error, at)}`,
        'Check its firewall, and the network policies of the pod.',
      )
    case 'EMFILE':
    case 'ENFILE':
      return {
        code: 'io',
        what: `too many files are open here: ${summary(error, at)}`,
        hint: 'Raise the limit of open files (ulimit -n), and run the same command again.',
      }
    case 'ERR_PROXY_TUNNEL':
    case 'ERR_PROXY_INVALID_CONFIG':
      return storage(
        `the proxy did not connect to ${at.place}: ${summary(error, at)}`,
        'Check HTTPS_PROXY and its user and password, or let NO_PROXY name the object store.',
      )
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return storage(`the connection to ${at.place} was broken off: ${summary(error, at)}`, slowHint)
  }
  if (name === 'TimeoutError' || code === 'ETIMEDOUT') {
    return storage(`${at.place} did not answer in time: ${summary(error, at)}`, slowHint)
  }
  return undefined
}
