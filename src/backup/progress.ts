/** How far a long piece of work is. */

export interface Progress {
  /**
   * `reading` the database and hashing it, `storing` what is missing, `checking` what was stored, `fetching` a backup.
   */
  readonly phase: 'reading' | 'storing' | 'checking' | 'fetching'
  /** Plain bytes done and to be done in this phase. */
  readonly bytes: number
  readonly total: number
}

/** Called often, once a chunk; the one who shows it decides how often. It must not throw. */
export type OnProgress = (progress: Progress) => void
