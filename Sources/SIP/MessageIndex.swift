internal import Sys

/// One header field of a message.
package struct HeaderField: Sendable {
    /// Which it is.
    package var name: HeaderName
    /// The name as it came.
    package var nameSlice: Slice
    /// The value without white space at its ends; folds are still inside.
    package var value: Slice
}

/// Where the parts of a message lie in its bytes; nothing is copied.
///
/// Nor is the index itself, of more than 1,200 bytes: it is filled in place and lent out.
package struct MessageIndex: ~Copyable {
    /// How many header fields a message may have.
    package static let maximumHeaders = 100

    /// Whether it is a request.
    package var isRequest = true
    /// The request's method.
    package var method = Method.other
    /// The method's name as it came.
    package var methodSlice = Slice.empty
    /// The Request-URI.
    package var requestURI = URI()
    /// The response's status code, 100 to 699.
    package var status: UInt16 = 0
    /// The response's reason phrase.
    package var reason = Slice.empty
    /// How many header fields there are.
    package var count = 0
    /// How many of them the edge does not write anew.
    private(set) var carried = 0
    /// How many Vias there are, several in one field counted each.
    package internal(set) var hops = 0
    private let anchor = Anchor()
    private var fields = InlineArray<100, HeaderField>(
        repeating: HeaderField(name: .other, nameSlice: .empty, value: .empty))
    /// The number of the first field of each name plus one, 0 for none.
    private var first = InlineArray<80, UInt8>(repeating: 0)
    /// What stands for the number of a name whose fields are left out.
    private static let leftOut = UInt8.max

    /// The topmost Via.
    package var via = Via()
    /// From's URI and parameters.
    package var from = NameAddress()
    /// To's URI and parameters.
    package var to = NameAddress()
    /// The first Contact field, empty when it lists several; a REGISTER's are the registrar's to read.
    package internal(set) var contact = NameAddress()
    /// The Call-ID.
    package var callID = Slice.empty
    /// The CSeq's number.
    package var sequence: UInt32 = 0
    /// The CSeq's method.
    package var sequenceMethod = Method.other
    /// Max-Forwards, nil when there is none.
    package var maxForwards: UInt8?
    /// Max-Breadth, nil when there is none (RFC 5393 section 5.2).
    package var maxBreadth: UInt8?
    /// Expires in seconds, clamped to 32 bits; nil when there is none, or none that is a number.
    package var expires: UInt32?
    /// Content-Length, nil when there is none.
    package var contentLength: Int?
    /// The body.
    package var body = Slice.empty

    /// An index of nothing.
    package init() {}

    /// Forgets what is indexed.
    package mutating func reset() {
        count = 0
        carried = 0
        hops = 0
        first = InlineArray<80, UInt8>(repeating: 0)
        maxForwards = nil
        maxBreadth = nil
        expires = nil
        contentLength = nil
        callID = .empty
        body = .empty
        via = Via()
        to = NameAddress()
        from = NameAddress()
        contact = NameAddress()
        status = 0
        reason = .empty
        methodSlice = .empty
        requestURI = URI()
    }

    /// Field `position` (0 up to `count`).
    package subscript(position: Int) -> HeaderField {
        precondition(position < count)
        // By a span, since the array's own subscript copies the whole array first (Swift 6.3).
        return fields.span[position]
    }

    /// The position of the first field of a name, or nil.
    package func position(_ name: HeaderName) -> Int? {
        let number = first.span[Int(name.rawValue)]
        return number == 0 || number == Self.leftOut ? nil : Int(number) - 1
    }

    /// The position of the next field of a name that stands at `start` or behind it, or nil.
    package func position(_ name: HeaderName, from start: Int) -> Int? {
        guard has(name) else { return nil }
        let fields = fields.span
        for position in start..<max(count, start) where fields[position].name == name {
            return position
        }
        return nil
    }

    /// The value of the first field of a name, or nil.
    package func value(_ name: HeaderName) -> Slice? {
        position(name).map { self[$0].value }
    }

    /// Whether there is such a field.
    package func has(_ name: HeaderName) -> Bool {
        let number = first.span[Int(name.rawValue)]
        return number != 0 && number != Self.leftOut
    }

    /// Whether the fields of a name go no further, as if they were not there.
    package func isLeftOut(_ name: HeaderName) -> Bool {
        first.span[Int(name.rawValue)] == Self.leftOut
    }

    /// Leaves out the fields of a name, those that came and those to come.
    mutating func leaveOut(_ name: HeaderName) { first[Int(name.rawValue)] = Self.leftOut }

    /// Adds a field; false when there are too many.
    mutating func add(_ field: HeaderField) -> Bool {
        guard count < Self.maximumHeaders else { return false }
        fields[count] = field
        count += 1
        if !field.name.isWrittenAnew { carried += 1 }
        if first.span[Int(field.name.rawValue)] == 0 {
            first[Int(field.name.rawValue)] = UInt8(count)
        }
        return true
    }
}

/// Goes through the values of all fields of a name, in the order of the message (RFC 3261 section 7.3.1).
package struct FieldValues: Sendable {
    private let name: HeaderName
    private var start = 0
    private var list = ValueList(.empty)

    /// The values of the fields of a name.
    package init(_ name: HeaderName) { self.name = name }

    /// The next value without white space at its ends, or nil at the end; an empty one is returned.
    package mutating func next(
        _ message: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Slice? {
        while true {
            if let value = list.next(in: message) { return value }
            guard let position = index.position(name, from: start) else { return nil }
            start = position + 1
            list = ValueList(index[position].value)
        }
    }
}
