internal import Sys

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
