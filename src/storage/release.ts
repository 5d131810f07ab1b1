/**
 * Gives back the memory of a buffer at once. The garbage collector sees little of what lies outside its heap, and lets a
 * hundred megabytes of chunks wait. What was released has no bytes any more: only who made a buffer, and is the only one
 * to hold it, may release it. Small ones, which Node cuts from a common pool, are left alone.
 */
export function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0)
}
