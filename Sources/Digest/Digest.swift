// The target Digest.
