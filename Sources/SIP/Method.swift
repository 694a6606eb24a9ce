/// A request method.
@usableFromInline
package enum Method: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    case invite, ack, cancel, bye, register, options
    case update, prack, info, refer, message, subscribe, notify, publish
    /// A method that Rempart does not know.
    case other

    /// Whether two methods are the same; spelled out as that of `HeaderName` is.
    @inlinable
    package static func == (left: Method, right: Method) -> Bool {
        left.rawValue == right.rawValue
    }

    /// The method of a name; names are case-sensitive (RFC 3261 section 7.1).
    package init(_ name: Span<UInt8>) {
        self = .other
        for method in Method.allCases where method != .other && name.isExactly(method.name) {
            self = method
            return
        }
    }

    /// The name on the wire; empty for `other`.
    package var name: StaticString {
        switch self {
        case .invite: "INVITE"
        case .ack: "ACK"
        case .cancel: "CANCEL"
        case .bye: "BYE"
        case .register: "REGISTER"
        case .options: "OPTIONS"
        case .update: "UPDATE"
        case .prack: "PRACK"
        case .info: "INFO"
        case .refer: "REFER"
        case .message: "MESSAGE"
        case .subscribe: "SUBSCRIBE"
        case .notify: "NOTIFY"
        case .publish: "PUBLISH"
        case .other: ""
        }
    }

    /// Whether a success establishes or refreshes a dialog, so that a Contact travels with it.
    package var carriesContact: Bool {
        switch self {
        case .invite, .update, .subscribe, .notify, .refer: true
        default: false
        }
    }
}
