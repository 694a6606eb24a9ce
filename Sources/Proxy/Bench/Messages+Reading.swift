package import SIP
internal import Sys

extension FieldValues {
    /// The values of all fields of a name but the first few, as one; what a request of ours needs as Route.
    package static func list(
        _ name: HeaderName, dropping count: Int = 0, reversed: Bool = false, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) -> [UInt8] {
        var list: [[UInt8]] = []
        var values = FieldValues(name)
        while let value = values.next(bytes, index) {
            list.append([UInt8](copying: bytes.bytes(value)))
        }
        let left = list.dropFirst(count)
        return Array((reversed ? left.reversed() : Array(left)).joined(separator: Array(", ".utf8)))
    }
}

extension MessageIndex {
    /// The URI of the first Contact; empty when there is none.
    package func contactURI(_ bytes: Span<UInt8>) -> URI {
        guard let value = value(.contact) else { return URI() }
        var list = ValueList(value)
        guard let first = list.next(in: bytes), let address = try? NameAddress(first, in: bytes)
        else { return URI() }
        return address.uri
    }
}
