// Bytes as Asterisk compares and cuts them: it knows no character set, and its letters are those of ASCII.

extension UInt8 {
    /// Whether Asterisk cuts it off the ends of a text: a blank or a control character (`ast_strip`).
    var isCut: Bool { self < 33 }

    /// The byte with an ASCII capital made small.
    var folded: UInt8 { self >= 0x41 && self <= 0x5A ? self | 0x20 : self }
}

extension Collection where Element == UInt8 {
    /// The bytes with ASCII capitals made small.
    package var folded: [UInt8] { map(\.folded) }

    /// Whether they are those of a word in any mixture of ASCII capitals (strcasecmp(3)).
    package func isSpelled(_ word: some Collection<UInt8>) -> Bool {
        count == word.count && zip(self, word).allSatisfy { $0.folded == $1.folded }
    }

    /// Whether they are those of a word in any mixture of ASCII capitals.
    package func isSpelled(_ word: StaticString) -> Bool {
        guard count == word.utf8CodeUnitCount else { return false }
        // In bounds: the word's own storage and length.
        let letters = unsafe UnsafeBufferPointer(
            start: word.utf8Start, count: word.utf8CodeUnitCount)
        return unsafe zip(self, letters).allSatisfy { $0.folded == $1.folded }
    }

    /// Whether they mean yes to Asterisk (`ast_true`): yes, true, y, t, 1 or on.
    package var isTrue: Bool {
        isSpelled("yes") || isSpelled("true") || isSpelled("y") || isSpelled("t")
            || isSpelled("1") || isSpelled("on")
    }

    /// The bytes as text for a person, at most 80 of them; what is no UTF-8 is shown as U+FFFD.
    ///
    /// Control characters are in it as they are: who shows it to a terminal makes it safe.
    package var shown: String {
        let text = String(decoding: prefix(80), as: UTF8.self)
        return count > 80 ? text + "..." : text
    }
}

extension BidirectionalCollection where Element == UInt8 {
    /// The bytes without blanks and control characters at the ends (`ast_strip`).
    package var stripped: SubSequence {
        var end = endIndex
        while end > startIndex, self[index(before: end)].isCut { end = index(before: end) }
        var start = startIndex
        while start < end, self[start].isCut { start = index(after: start) }
        return self[start..<end]
    }

    /// The items of a comma list without the blanks around them; empty ones are left out.
    package var listItems: [[UInt8]] {
        split(separator: UInt8(ascii: ",")).map { Array($0.stripped) }.filter { !$0.isEmpty }
    }
}

extension [UInt8] {
    /// The bytes of a text.
    init(of text: StaticString) {
        // In bounds: the text's own storage and length.
        self = unsafe Array(
            UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
