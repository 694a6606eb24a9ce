/// What bytes of a URI mean, as far as two texts can be written differently and mean the same.
extension Span where Element == UInt8 {
    /// The byte that begins at a place once its escape is read (RFC 3261 section 19.1.2), and the place behind it.
    ///
    /// A percent sign that no two hexadecimal digits follow stands for itself.
    @inlinable
    package func unescaped(at place: Int) -> (byte: UInt8, next: Int) {
        guard self[place] == UInt8(ascii: "%"), place + 2 < count,
            let high = Characters.hex(self[place + 1]), let low = Characters.hex(self[place + 2])
        else { return (self[place], place + 1) }
        return (high << 4 | low, place + 3)
    }

    /// Whether two texts are the same once their escapes are read, each of them once.
    package func equalsUnescaped(_ other: Span<UInt8>) -> Bool {
        var (place, otherPlace) = (0, 0)
        while place < count, otherPlace < other.count {
            let own = unescaped(at: place)
            let others = other.unescaped(at: otherPlace)
            guard own.byte == others.byte else { return false }
            (place, otherPlace) = (own.next, others.next)
        }
        return place == count && otherPlace == other.count
    }

    /// Whether two telephone numbers are the same: visual separators do not count (RFC 3966 section 4).
    package func isSameNumber(_ other: Span<UInt8>) -> Bool {
        var (place, otherPlace) = (nextDigit(from: 0), other.nextDigit(from: 0))
        while place < count, otherPlace < other.count {
            guard Characters.lower(self[place]) == Characters.lower(other[otherPlace]) else {
                return false
            }
            place = nextDigit(from: place + 1)
            otherPlace = other.nextDigit(from: otherPlace + 1)
        }
        return place == count && otherPlace == other.count
    }

    /// The place of the next byte that is no visual separator.
    private func nextDigit(from start: Int) -> Int {
        var place = start
        while place < count, Characters.isVisualSeparator(self[place]) { place += 1 }
        return place
    }
}
