internal import Glibc

/// A system call that failed: what was tried, and the kernel's reason.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// What was tried, as a person would say it: "bind udp 203.0.113.5:5060".
    package let action: String
    /// The errno value, positive.
    package let code: Int32

    /// An error of `code`, an errno value of either sign.
    package init(_ action: String, code: Int32) {
        self.action = action
        self.code = code < 0 ? -code : code
    }

    /// The action and the kernel's words for the reason.
    package var description: String { "\(action): \(reason)" }

    /// The kernel's words for the reason (strerror(3)).
    package var reason: String { unsafe String(cString: strerror(code)) }

    /// Returns the value of a call that reports failure as -errno.
    @inlinable
    package static func check(
        _ result: Int32, _ action: @autoclosure () -> String
    ) throws(SystemError) -> Int32 {
        if result < 0 { throw SystemError(action(), code: result) }
        return result
    }
}
