// The entry of the process.
