internal import CLinux
package import Sys

/// Signals as descriptor events (signalfd(2)); those named are blocked for the process.
package struct Signals: ~Copyable {
    private let descriptor: Descriptor

    /// Blocks the signals and reports them from now on; at most 8.
    package init(_ numbers: [Int32]) throws(SystemError) {
        let raw = unsafe clinux_signalfd(numbers + [0])
        descriptor = Descriptor(owning: try SystemError.check(raw, "signalfd"))
    }

    /// The descriptor to watch for reading.
    package var raw: Int32 { descriptor.raw }

    /// The next signal and whose process sent it (0: the kernel's), or nil.
    package func next() -> (number: Int32, sender: Int32, uid: UInt32)? {
        var sender: Int32 = 0
        var uid: UInt32 = 0
        let number = unsafe clinux_next_signal(descriptor.raw, &sender, &uid)
        return number == 0 ? nil : (number, sender, uid)
    }
}
