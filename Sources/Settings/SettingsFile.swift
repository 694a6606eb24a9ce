package import Messages
internal import Sys

/// A settings text, read: its settings, and everything there is to say about it.
package struct SettingsFile: Sendable {
    /// One value of the text.
    package struct Value: Equatable, Sendable {
        /// The key with its group, names that the file chose included: "trunks.telco.servers".
        package let path: String
        /// Where the value stands.
        package let position: Position
        /// The value.
        package let setting: Setting
    }

    /// The longest text that is read, in bytes.
    package static let maximumLength = 1 << 20
    /// U+FEFF in UTF-8.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The values in the order of the text, without defaults.
    package let values: [Value]
    /// What there is to say, in the order of the text.
    package let diagnostics: [Diagnostic]
    private let lines: SourceLines

    /// Reads a settings text of UTF-8 bytes; every fault is in `diagnostics`.
    package init(_ bytes: [UInt8]) {
        guard bytes.count <= Self.maximumLength else {
            self.init(fault: "longer than 1 MiB: this is not a settings file", after: "")
            return
        }
        // Editors of other systems begin a file with it; it is no part of the first key.
        let bytes = bytes.starts(with: Self.byteOrderMark) ? Array(bytes.dropFirst(3)) : bytes
        guard let text = String(validating: bytes, as: UTF8.self) else {
            self.init(fault: "not UTF-8 text", after: Self.validPrefix(bytes))
            return
        }
        var walker = Walker(Document(text))
        walker.checkTogether()
        let diagnostics = walker.diagnostics.sorted { $0.position < $1.position }
        self.init(walker.values, diagnostics, SourceLines(text))
    }

    private init(_ values: [Value], _ diagnostics: [Diagnostic], _ lines: SourceLines) {
        self.values = values
        self.diagnostics = diagnostics
        self.lines = lines
    }

    /// A text that cannot be read at all, from the place after its good beginning.
    private init(fault: String, after text: String) {
        let lines = SourceLines(text)
        self.init([], [Diagnostic(.error, at: lines.end, fault)], lines)
    }

    /// Whether the settings can be used.
    package var isGood: Bool { !diagnostics.contains { $0.severity == .error } }

    /// The settings, those of the text first in its order, then the defaults of the keys left out;
    /// empty when the text is wrong.
    package var settings: [Setting] {
        guard isGood else { return [] }
        let given = Set(values.map(\.path))
        let defaults = Schema.keys.flatMap { given.contains($0.path) ? [] : $0.standards }
        return values.map(\.setting) + defaults
    }

    /// A diagnostic with its line and a caret under the place.
    package func rendered(_ diagnostic: Diagnostic, file: String) -> String {
        lines.rendered(diagnostic, file: file)
    }

    /// "1 domain, 3 outside endpoints, ...": what a good text sets.
    package var summary: String {
        func count(_ path: String, _ one: String, _ many: String) -> String {
            let count = values.count { $0.path == path }
            return "\(count) \(count == 1 ? one : many)"
        }
        let trunks = values.count { value in
            if case .trunk(_, .inside) = value.setting.told.router { true } else { false }
        }
        let parts = [
            count("domains", "domain", "domains"),
            count("outside", "outside endpoint", "outside endpoints"),
            count("inside", "inside endpoint", "inside endpoints"),
            count("asterisk.servers", "Asterisk", "Asterisks"),
        ]
        let last = trunks == 0 ? [] : ["\(trunks) \(trunks == 1 ? "trunk" : "trunks")"]
        return (parts + last).joined(separator: ", ")
    }

    /// The text before the first byte that is not UTF-8.
    private static func validPrefix(_ bytes: [UInt8]) -> String {
        let repaired = String(decoding: bytes, as: UTF8.self)
        let length = zip(repaired.utf8, bytes).prefix { $0 == $1 }.count
        return String(decoding: bytes[..<length], as: UTF8.self)
    }
}
