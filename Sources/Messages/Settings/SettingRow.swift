internal import Sys
internal import Wire

/// The row of a key of the settings file: all there is to know of it, in one place.
///
/// It is written once, as a property of its group's rows (`Setting.defence.failures`). The frames between
/// processes and their bounds, the reading of the text, the documents, and what each process is told follow from it.
/// `standard` is what holds when the key is left out: a value, the items of a list, or nothing (`Void`).
package struct SettingRow<Value: Equatable & Sendable, Standard: Sendable>: Sendable {
    /// The key with its group: "accounts.database".
    let path: String
    /// The number of its frames, which no other row has.
    let number: UInt8
    /// What its values look like.
    let form: SettingForm<Value>
    /// What holds when the key is left out.
    package let standard: Standard
    /// Whether a change needs new sockets.
    let isFixedAtStart: Bool
    /// The processes that are told its values: at least one.
    let readers: [Reader<Value>]
    private let need: SettingKey.Need
    private let items: ClosedRange<Int>?
    private let standards: [Value]
    private let byDefault: String?
    private let example: String
    private let meaning: String

    /// The setting of a value, under a name that the file chose where the key stands under one.
    package func callAsFunction(_ value: Value, of name: String = "") -> Setting {
        Setting(self, value, of: name)
    }

    /// Whether the key stands under names that the file chooses.
    var isNamed: Bool { longestFileName > 0 }

    /// How long such a name is at most, in bytes; 0 where the key stands under none.
    var longestFileName: Int {
        let name = ".\(SettingKey.namePlaceholder)"
        // What names a value itself is an account.
        if path.hasSuffix(name) { return Bounds.longestName }
        return path.contains("\(name).") ? Bounds.longestGroupName : 0
    }
}

extension SettingRow where Standard == Void {
    /// A key that says nothing when it is left out; with `items` it takes a list.
    init(
        _ path: String, _ number: UInt8, _ form: SettingForm<Value>,
        _ need: SettingKey.Need = .never, items: ClosedRange<Int>? = nil, example: String,
        isFixedAtStart: Bool = false, for reader: Reader<Value>, _ others: Reader<Value>...,
        meaning: String
    ) {
        self.init(
            path: path, number: number, form: form, standard: (), isFixedAtStart: isFixedAtStart,
            readers: [reader] + others, need: need, items: items, standards: [], byDefault: nil,
            example: example, meaning: meaning)
    }
}

extension SettingRow where Standard == Value {
    /// A key of one value that has a default, which is its example too when there is no other.
    init(
        _ path: String, _ number: UInt8, _ form: SettingForm<Value>, standard: Value,
        example: String? = nil, for reader: Reader<Value>, _ others: Reader<Value>...,
        meaning: String
    ) {
        let text = form.written(standard)
        self.init(
            path: path, number: number, form: form, standard: standard, isFixedAtStart: false,
            readers: [reader] + others, need: .never, items: nil, standards: [standard],
            byDefault: text, example: example ?? text, meaning: meaning)
    }
}

extension SettingRow where Standard == [Value] {
    /// A key of a list that has a default, which is its example too when there is no other.
    init(
        _ path: String, _ number: UInt8, _ form: SettingForm<Value>, items: ClosedRange<Int>,
        standard: [Value], example: String? = nil, for reader: Reader<Value>,
        _ others: Reader<Value>..., meaning: String
    ) {
        let text = "[\(standard.map(form.written).joined(separator: ", "))]"
        self.init(
            path: path, number: number, form: form, standard: standard, isFixedAtStart: false,
            readers: [reader] + others, need: .never, items: items, standards: standard,
            byDefault: text, example: example ?? text, meaning: meaning)
    }
}

/// A row of any type.
protocol AnySettingRow: Sendable {
    /// What is known of the key, whatever its values are.
    var key: SettingKey { get }
}

extension SettingRow: AnySettingRow {
    var key: SettingKey {
        SettingKey(
            path: path, number: number, need: need, items: items, byDefault: byDefault,
            // Under a name there is a default too, but no process is told it before the file has a name.
            standards: isNamed ? [] : standards.map { self($0) },
            range: form.range(of: items), example: example, meaning: meaning,
            read: { text, reader, name throws(ValueError) in
                self(try form.text(reader, text), of: name)
            },
            decode: { reader throws(WireError) in
                let limit = longestFileName
                let name = limit > 0 ? try reader.string(path, limit: limit) : ""
                return self(try form.read(&reader, path), of: name)
            })
    }
}

/// A key of the settings file, whatever its values are: what its row says to the readers of text, frames and documents.
package struct SettingKey: Sendable {
    /// When the key must be there.
    package enum Need: Equatable, Sendable {
        /// In every file; under every name of its group if the file chooses those; in every item of its list.
        case always
        /// In every file that has not its older name, which says the same.
        case alwaysUnless(older: String)
        /// When an outside endpoint is `tls://`, unless `tls.certificates` is there.
        case withTLS
        /// Never.
        case never
    }

    /// The key with its group: "accounts.database".
    package let path: String
    /// The number of its frames.
    package let number: UInt8
    /// When it must be there.
    package let need: Need
    /// How many items a list has; nil for a single value.
    package let items: ClosedRange<Int>?
    /// Whether the shortest file has the key, or has it under each name.
    package var isInEveryFile: Bool {
        switch need {
        case .always, .alwaysUnless: true
        case .withTLS, .never: false
        }
    }
    /// The value when the key is left out, as it would be written; nil when there is none.
    package let byDefault: String?
    /// What the processes are told when the key is left out.
    package let standards: [Setting]
    /// The values it may have, for a reader.
    package let range: String
    /// A value as it would be written.
    package let example: String
    /// What it means, in a sentence or two.
    package let meaning: String
    /// Reads the text of one value, under a name that the file chose; throws why it is none.
    package let read:
        @Sendable (_ text: String, _ reader: any SettingText.Type, _ name: String)
            throws(ValueError) -> Setting
    /// Reads what follows the number of a frame.
    let decode: @Sendable (inout WireReader) throws(WireError) -> Setting

    /// What stands in the paths of keys for a name that the file chooses.
    package static let namePlaceholder = "NAME"
    /// What stands in the paths of keys for the number of a list's item, from 1 on.
    package static let itemPlaceholder = "[]"

    /// Every key there is, in the order in which it is documented.
    package static let all: [SettingKey] =
        keys(of: Setting.sides) + keys(of: Setting.accounts) + keys(of: Setting.tables)
        + keys(of: Setting.tls)
        + keys(of: Setting.trunks) + keys(of: Setting.calls) + keys(of: Setting.defence)
        + Setting.limits.map(\.key) + keys(of: Setting.profiles) + keys(of: Setting.registration)

    /// The key whose frames have this number.
    static func key(_ number: UInt8) -> SettingKey? { numbered[number] }

    private static let numbered = Dictionary(all.map { ($0.number, $0) }) { first, _ in first }

    /// The keys of a group: each property of its type that is a row, in their order, so that none can be left out.
    private static func keys(of group: some Sendable) -> [SettingKey] {
        Mirror(reflecting: group).children.compactMap { ($0.value as? any AnySettingRow)?.key }
    }
}
