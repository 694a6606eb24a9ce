extension Milliseconds {
    /// The units of a duration, largest first.
    package static let units: [(letter: Character, seconds: Int64)] = [
        ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1),
    ]

    /// The span in whole seconds as a duration, in the largest unit that divides it: "90s", "2h".
    package var duration: String {
        let unit = Self.units.first { seconds % $0.seconds == 0 && seconds >= $0.seconds }
        guard let unit else { return "\(seconds)s" }
        return "\(seconds / unit.seconds)\(unit.letter)"
    }

    /// The span as a person says it, in its two largest units: "1h 5m", "42s".
    package var spoken: String {
        var bytes: [UInt8] = []
        speak(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Adds the span as a person says it.
    package func speak(to bytes: inout [UInt8]) {
        var rest = max(seconds, 0)
        guard rest > 0 else { return bytes.append(contentsOf: "0s".utf8) }
        var parts = 0
        for unit in Self.units where rest >= unit.seconds && parts < 2 {
            if parts > 0 { bytes.append(UInt8(ascii: " ")) }
            bytes.append(decimal: rest / unit.seconds)
            bytes.append(contentsOf: unit.letter.utf8)
            rest %= unit.seconds
            parts += 1
        }
    }
}

extension ClosedRange<Milliseconds> {
    /// "30s to 1d".
    package var text: String { "\(lowerBound.duration) to \(upperBound.duration)" }
}
