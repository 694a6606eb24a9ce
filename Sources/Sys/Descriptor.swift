internal import CLinux
internal import Glibc

/// An open file descriptor with one owner; it is closed when the owner lets go.
///
/// A class, so that tables of the slow paths can hold it. The hot loops borrow `raw`.
package final class Descriptor {
    /// The number the kernel knows it by; -1 once released.
    package private(set) var raw: Int32

    /// Takes the ownership of an open descriptor.
    package init(owning raw: Int32) { self.raw = raw }

    deinit { close() }

    /// Closes it now rather than with the last reference.
    package func close() {
        guard raw >= 0 else { return }
        _ = Glibc.close(raw)
        raw = -1
    }

    /// Raises the limit of open files as far as permitted (setrlimit(2)) and returns it; nil when it cannot be read.
    package static func raiseLimit() -> UInt? {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return nil
        }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt(limit.rlim_cur)
    }

    /// Whether `count` more can be opened after the next one (RLIMIT_NOFILE as it is now); `raw` is any open one.
    package static func areSpare(_ count: Int32, beside raw: Int32) -> Bool {
        clinux_has_spare_descriptors(raw, count) != 0
    }

    /// A copy in memory of a regular file as it is now, which nobody can change (memfd_create(2)).
    ///
    /// Throws ESPIPE for what is no regular file, EFBIG for one of more than `limit` bytes; it waits for
    /// nobody.
    package static func sealedCopy(of path: String, limit: Int) throws(SystemError) -> Descriptor {
        let raw = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard raw >= 0 else { throw SystemError("open \(path)", code: errno) }
        defer { _ = Glibc.close(raw) }
        let copy = clinux_sealed_copy(raw, limit)
        return Descriptor(owning: try SystemError.check(copy, "copy \(path)"))
    }

    /// Gives the ownership to the caller, who closes it.
    package func release() -> Int32 {
        defer { raw = -1 }
        return raw
    }
}
