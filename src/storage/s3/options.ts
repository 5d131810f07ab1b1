/** Settings of the S3 store. */
export interface S3Options {
  /** An endpoint of your own: MinIO, R2, versitygw. */
  readonly endpoint?: string
}
