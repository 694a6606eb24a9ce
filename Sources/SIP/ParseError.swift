/// Why a message is refused; the code goes to the journal and, for requests, into the answer.
package enum ParseError: String, CaseIterable, Error, Sendable {
    case empty = "empty"
    case startLine = "start-line"
    case version = "version"
    case control = "control-character"
    case lineEnd = "bare-line-end"
    case headerName = "header-name"
    case tooManyHeaders = "too-many-headers"
    case headerTooLong = "header-too-long"
    case unterminated = "unterminated-header"
    case doubled = "doubled-header"
    case missing = "missing-header"
    case via = "via"
    case address = "address"
    case uri = "uri"
    case callID = "call-id"
    case cseq = "cseq"
    case number = "number"
    case contentLength = "content-length"
    case tooLong = "too-long"
    case contact = "contact"
    case parameter = "parameter"
    case value = "value"

    /// The reason code, as it stands in the journal.
    package var code: String { "malformed-\(rawValue)" }
}
