/// Why a frame is not what its link carries.
package enum WireError: Error, Equatable {
    /// The frame ended inside a field.
    case truncated
    /// Bytes follow the last field.
    case trailing
    /// The first byte names no kind of this link.
    case unknownKind(UInt8)
    /// A field holds a value outside its range; the field's name.
    case badValue(String)
    /// A field is longer than its bound; the field's name.
    case tooLong(String)
    /// The peer speaks another version.
    case version(UInt8)
    /// A descriptor came with a kind that has none, or was missing where one belongs.
    case descriptor
    /// The kind is known but not permitted in this state.
    case notPermitted
}
