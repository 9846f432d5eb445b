// Package crypto is the sealing core: the age payload and header (C2SP age.md),
// recipient keys and the proof that somebody holds one, the key-encryption
// keyring, the issuer's signing keys, the signed manifest, link tokens and
// secrets. It alone imports age and jwt.
//
// A file is sealed once (Sealer) and the file key is wrapped for each recipient
// by a header of its own (WriteHeader); header ‖ payload is a standard age file.
//
// The caller's duties:
//
//   - A FileKey belongs to one content. Make a new one when the content changes.
//   - A SealState resumes exactly the plaintext it was saved for. A segment that
//     was sealed but not kept must be deleted before the same offset is sealed
//     again: two contents under one chunk nonce reveal each other.
//   - Bytes from an Opener are authentic chunk by chunk; only io.EOF says that
//     the plaintext is whole.
//   - age does not say who sealed a file. Trust a parcel through its manifest.
//   - Secrets redact themselves when printed; do not convert them to get around it.
package crypto
