/// A status that the edge answers by itself, with the phrase that its RFC has for it (RFC 3261 section 21, unless
/// said otherwise).
package enum Status: UInt16, BitwiseCopyable, Sendable {
    case trying = 100
    case ok = 200
    case badRequest = 400
    case unauthorized = 401
    case forbidden = 403
    case notFound = 404
    case methodNotAllowed = 405
    case proxyAuthenticationRequired = 407
    case requestTimeout = 408
    case unsupportedURIScheme = 416
    case badExtension = 420
    case intervalTooBrief = 423
    /// RFC 5626 section 11.5.
    case flowFailed = 430
    /// RFC 5626 section 11.6.
    case firstHopLacksOutbound = 439
    /// RFC 5393 section 5.4.
    case maxBreadthExceeded = 440
    case temporarilyUnavailable = 480
    case callDoesNotExist = 481
    case loopDetected = 482
    case tooManyHops = 483
    case requestTerminated = 487
    case notAcceptableHere = 488
    case serverInternalError = 500
    case notImplemented = 501
    case serviceUnavailable = 503
    case messageTooLarge = 513

    /// The phrase, for people.
    package var phrase: StaticString {
        switch self {
        case .trying: "Trying"
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .unauthorized: "Unauthorized"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .proxyAuthenticationRequired: "Proxy Authentication Required"
        case .requestTimeout: "Request Timeout"
        case .unsupportedURIScheme: "Unsupported URI Scheme"
        case .badExtension: "Bad Extension"
        case .intervalTooBrief: "Interval Too Brief"
        case .flowFailed: "Flow Failed"
        case .firstHopLacksOutbound: "First Hop Lacks Outbound Support"
        case .maxBreadthExceeded: "Max-Breadth Exceeded"
        case .temporarilyUnavailable: "Temporarily Unavailable"
        case .callDoesNotExist: "Call/Transaction Does Not Exist"
        case .loopDetected: "Loop Detected"
        case .tooManyHops: "Too Many Hops"
        case .requestTerminated: "Request Terminated"
        case .notAcceptableHere: "Not Acceptable Here"
        case .serverInternalError: "Server Internal Error"
        case .notImplemented: "Not Implemented"
        case .serviceUnavailable: "Service Unavailable"
        case .messageTooLarge: "Message Too Large"
        }
    }
}
