internal import Glibc

/// The errno values that Rempart tells apart, positive.
package enum Errno {
    /// Nothing to read now, or no room to write now (EAGAIN).
    package static let again = EAGAIN
    /// The file is larger than whoever reads it takes (EFBIG).
    package static let tooBig = EFBIG
    /// The peer gave up before the connection was accepted (ECONNABORTED).
    package static let aborted = ECONNABORTED
    /// This process has as many descriptors as it may (EMFILE).
    package static let tooManyFiles = EMFILE
    /// The machine has as many open files as it may (ENFILE).
    package static let tooManyFilesInAll = ENFILE
    /// The user, or the unit, has as many processes as it may (EAGAIN of fork(2)).
    package static let noProcess = EAGAIN
    /// The kernel has no memory (ENOMEM).
    package static let noMemory = ENOMEM
    /// The kernel has no memory for a socket (ENOBUFS).
    package static let noBuffers = ENOBUFS
    /// What a question fails with that may be answered another time.
    package static let shortages = [again, tooManyFiles, tooManyFilesInAll, noMemory, noBuffers]
    /// The message does not fit (EMSGSIZE).
    package static let tooLong = EMSGSIZE
    /// The other end is closed (EPIPE).
    package static let pipe = EPIPE
    /// The other end reset the connection (ECONNRESET).
    package static let reset = ECONNRESET
    /// No such file (ENOENT).
    package static let noEntry = ENOENT
    /// Not permitted (EACCES).
    package static let access = EACCES
}
