internal import SIP

/// A session description, line by line (RFC 8866 section 5).
///
/// Every line is a small letter, an equals sign and a text without control characters but HTAB, `v=` and `o=`
/// first; blank lines at the end are not of it. Nothing else is judged: what the lines say is for the ends.
struct SessionDescription {
    /// Whether it is that.
    private(set) var isReadable = false
    /// Whether it is written as it came: each line ends with CR LF, and it has a name.
    private(set) var isCanonical = true
    /// Whether it has the line of its name, which RFC 8866 demands.
    private(set) var hasName = false
    /// Where its last line ends.
    private(set) var end: Int

    /// What a part of a message is.
    init(_ part: Slice, _ message: Span<UInt8>) {
        end = part.start
        var lines = BodyLines(part)
        var number = 0
        var isInMedia = false
        while let line = lines.next(message) {
            if line.isEmpty {
                isCanonical = false
                guard lines.areBlank(message) else { return }
                break
            }
            guard line.length >= 2, message[line.start + 1] == UInt8(ascii: "="),
                message[line.start] &- 0x61 < 26
            else { return }
            let letter = message[line.start]
            switch number {
            case 0: guard letter == UInt8(ascii: "v") else { return }
            case 1: guard letter == UInt8(ascii: "o") else { return }
            default:
                if letter == UInt8(ascii: "m") { isInMedia = true }
                if letter == UInt8(ascii: "s"), !isInMedia { hasName = true }
            }
            if lines.place - line.end != 2 { isCanonical = false }
            number += 1
            end = line.end
        }
        isCanonical = isCanonical && hasName
        isReadable = !lines.isBroken && number >= 2
    }
}

/// Goes through the lines of a body, which end with CR LF or LF, the last one maybe with nothing.
struct BodyLines {
    /// Where the next line begins.
    private(set) var place: Int
    /// Whether a control character but HTAB stands where no line ends; there is no line from there on.
    private(set) var isBroken = false
    private let end: Int

    /// The lines of a part of a message.
    init(_ part: Slice) {
        place = part.start
        end = part.end
    }

    /// The next line without its end, or nil.
    mutating func next(_ message: Span<UInt8>) -> Slice? {
        guard place < end else { return nil }
        let start = place
        let text = message.extracting(0..<end)
        var stop = text.firstControl(from: start)
        while stop < end, text[stop] == 0x09 { stop = text.firstControl(from: stop + 1) }
        if stop == end {
            place = end
        } else if text[stop] == 0x0A {
            place = stop + 1
        } else if text[stop] == 0x0D, stop + 1 < end, text[stop + 1] == 0x0A {
            place = stop + 2
        } else {
            isBroken = true
            place = end
            return nil
        }
        return .from(start, to: stop)
    }

    /// Whether all lines that are left are blank.
    mutating func areBlank(_ message: Span<UInt8>) -> Bool {
        while let line = next(message) {
            if !line.isEmpty { return false }
        }
        return !isBroken
    }
}
