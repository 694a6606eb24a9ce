extension Unicode.Scalar {
    /// Whether a terminal would act on it instead of showing it: C0 and C1 controls, line and
    /// paragraph separators, and the marks that reverse the direction of text.
    package var isTerminalControl: Bool {
        switch value {
        case 0x00...0x1F, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension String {
    /// The text with all that a terminal would act on written as `\u{1B}`.
    ///
    /// Names, URIs and user agents come from phones: none of them may move the administrator's
    /// cursor or hide a line.
    package var terminalSafe: String {
        guard unicodeScalars.contains(where: \.isTerminalControl) else { return self }
        var safe = ""
        for scalar in unicodeScalars {
            if scalar.isTerminalControl {
                safe += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            } else {
                safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }
}
