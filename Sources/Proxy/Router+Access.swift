internal import Messages
internal import SIP
internal import Sys

/// Asterisk's access lists, held against what a phone says of itself.
extension Router {
    /// Whether an account may be registered with the hosts of these Contacts.
    ///
    /// A host name may mean any address, so it passes only where nothing is said of Contacts. What cannot be
    /// read is left to the registrar, which refuses it.
    func admitsContacts(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ account: Int32)
        -> Bool
    {
        guard AccessList.limits(accounts.access(account), .contact) else { return true }
        var values = FieldValues(.contact)
        while let value = values.next(bytes, index) {
            guard let address = try? NameAddress(value, in: bytes) else { continue }
            guard let ip = address.uri.ip(in: bytes),
                AccessList.admits(accounts.access(account), .contact, ip)
            else { return false }
        }
        return true
    }
}

extension URI {
    /// The address that its host is; nil when it is a name.
    func ip(in message: Span<UInt8>) -> IPAddress? {
        IPAddress(host: message.bytes(host))
    }
}
