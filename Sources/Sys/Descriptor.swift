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

    /// Gives the ownership to the caller, who closes it.
    package func release() -> Int32 {
        defer { raw = -1 }
        return raw
    }
}
