package import Sys

extension Milliseconds {
    /// The span of "30s", "5m", "2h" or "1d": a number of at most nine digits and one unit.
    package init?(duration text: some StringProtocol) {
        guard let last = text.last, let unit = Self.units.first(where: { $0.letter == last }) else {
            return nil
        }
        let digits = text.dropLast()
        guard (1...9).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(digits)
        else { return nil }
        self = .seconds(count * unit.seconds)
    }
}
