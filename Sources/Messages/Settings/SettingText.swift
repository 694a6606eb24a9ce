package import Sys

/// Why a value of the settings' text is refused, and what would be right.
package struct ValueError: Error, Equatable {
    /// What is wrong and what would be right, in one line.
    package let message: String

    /// A refusal in these words.
    package init(_ message: String) { self.message = message }
}

/// How the text of each kind of value is read.
///
/// A row names the kind here; the module Settings alone knows how such a text is read, and rempart alone has that
/// module: no process of the daemon reads the settings' text.
package protocol SettingText: Sendable {
    /// A whole number.
    static func count(_ text: String, in range: ClosedRange<UInt32>) throws(ValueError) -> UInt32
    /// "30s", "5m", "2h" or "1d".
    static func duration(
        _ text: String, in range: ClosedRange<Milliseconds>
    ) throws(ValueError) -> Milliseconds
    /// "5 in 30s".
    static func limit(
        _ text: String, _ counts: ClosedRange<UInt32>, in windows: ClosedRange<Milliseconds>
    ) throws(ValueError) -> Limit
    /// The place of one of these words, which are names of a `what`.
    static func word(
        _ text: String, of words: [String], _ what: String
    ) throws(ValueError) -> Int
    /// true or false.
    static func truth(_ text: String) throws(ValueError) -> Bool
    /// A host name or an IP address, in lower case.
    static func domain(_ text: String) throws(ValueError) -> String
    /// An endpoint, with the address that a NAT has for it behind `as`.
    static func outside(_ text: String) throws(ValueError) -> OutsideEndpoint
    /// An endpoint toward the Asterisks, by UDP or TCP.
    static func inside(_ text: String) throws(ValueError) -> Endpoint
    /// The address of an Asterisk.
    static func server(_ text: String) throws(ValueError) -> SocketAddress
    /// A network in CIDR form, or one address.
    static func network(_ text: String) throws(ValueError) -> Network
    /// The two letters of a country that there is (ISO 3166-1).
    static func country(_ text: String) throws(ValueError) -> String
    /// The URL of what has the accounts.
    static func source(_ text: String, atMost limit: Int) throws(ValueError) -> String
    /// A server that is reached by TCP, by its name or address.
    static func tcpServer(_ text: String, port: UInt16) throws(ValueError) -> ServerName
    /// The name of a table.
    static func table(_ text: String) throws(ValueError) -> String
    /// A statement that finds an account.
    static func query(_ text: String) throws(ValueError) -> String
    /// The absolute path of a file.
    static func path(_ text: String, atMost limit: Int) throws(ValueError) -> String
    /// A text that stands in a quoted-string of a SIP header without escapes.
    static func realm(_ text: String, atMost limit: Int) throws(ValueError) -> String
    /// The name of a login to a database.
    static func login(_ text: String, atMost limit: Int) throws(ValueError) -> String
    /// The name of an account.
    static func account(_ text: String, atMost limit: Int) throws(ValueError) -> String
    /// The name of a SIP method, in any case.
    static func method(_ text: String) throws(ValueError) -> String
    /// So many digits.
    static func digits(_ text: String, in range: ClosedRange<Int>) throws(ValueError) -> String
    /// What an international number begins with: + or so many digits.
    static func prefix(_ text: String, in range: ClosedRange<Int>) throws(ValueError) -> String
    /// "+881", "0899" or "KP".
    static func neverCalled(_ text: String, in range: ClosedRange<Int>) throws(ValueError) -> String
    /// "mon-fri 07:00-20:00".
    static func hours(_ text: String) throws(ValueError) -> OpenHours
    /// The name of a trunk.
    static func trunkName(_ text: String) throws(ValueError) -> String
    /// A trunk's own socket, which is UDP.
    static func trunkInside(_ text: String) throws(ValueError) -> Endpoint
    /// The address of a trunk's server.
    static func trunkServer(_ text: String) throws(ValueError) -> SocketAddress
    /// A network of a trunk, which is not everybody.
    static func trunkNetwork(_ text: String) throws(ValueError) -> Network
}
