// What Asterisk has of one of its configuration files once it has read it.

/// A line of a file.
package struct Place: Hashable, Sendable, CustomStringConvertible {
    /// The file's path, as it was opened.
    package let file: String
    /// The line, from 1; 0 where it is not known.
    package let line: Int

    /// A line of a file.
    package init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// "FILE:LINE", or "FILE" where the line is not known.
    package var description: String { line > 0 ? "\(file):\(line)" : file }
}

/// A name and its value, as bytes: Asterisk knows no character set.
package struct Variable: Equatable, Sendable {
    /// The name as it is written; Asterisk compares names without regard to ASCII capitals.
    package let name: [UInt8]
    /// The value without blanks at its ends, its escaped semicolons being semicolons.
    package let value: [UInt8]
    /// Where it stands; of an inherited one, in its template.
    package let place: Place

    /// A name and its value at a place.
    package init(name: [UInt8], value: [UInt8], place: Place) {
        self.name = name
        self.value = value
        self.place = place
    }
}

/// A section (Asterisk says category): its name and its variables, inherited ones first, in order.
package struct Section: Equatable, Sendable {
    /// The longest name that is kept, in bytes; Asterisk cuts longer ones.
    package static let longestName = 79

    /// The name, which need not be unique.
    package let name: [UInt8]
    /// Where its first header stands.
    package let place: Place
    /// Whether it is a template, which others may inherit from and which is nothing itself.
    package internal(set) var isTemplate = false
    /// The variables, several of one name among them.
    package internal(set) var variables: [Variable] = []

    /// An empty section; a longer name is cut.
    init(name: some Collection<UInt8>, place: Place) {
        self.name = Array(name.prefix(Self.longestName))
        self.place = place
    }

    /// The first variable of a name.
    package func first(_ name: StaticString) -> Variable? {
        variables.first { $0.name.isSpelled(name) }
    }

    /// The last variable of a name, which is the one that counts where a name has one value.
    package func last(_ name: StaticString) -> Variable? {
        variables.last { $0.name.isSpelled(name) }
    }

    /// The last value of a name; empty without one.
    package func value(_ name: StaticString) -> [UInt8] { last(name)?.value ?? [] }

    /// The values of all variables of a name, in order.
    package func values(_ name: StaticString) -> [[UInt8]] {
        variables.filter { $0.name.isSpelled(name) }.map(\.value)
    }
}

/// Something in the files that the administrator should know, while they can be used.
package struct Finding: Equatable, Sendable, CustomStringConvertible {
    /// What it means for the accounts.
    package enum Kind: Sendable {
        /// Asterisk may have accounts, or values, that are not read here.
        case missing
        /// Asterisk passes over it too.
        case ignored
    }

    /// What it means for the accounts.
    package let kind: Kind
    /// Where it is.
    package let place: Place
    /// What is there and what to do, in one sentence without a value of the file.
    package let sentence: String

    /// Something at a place.
    package init(_ kind: Kind, at place: Place, _ sentence: String) {
        self.kind = kind
        self.place = place
        self.sentence = sentence
    }

    /// "FILE:LINE: SENTENCE".
    package var description: String { "\(place): \(sentence)" }
}

/// Why files cannot be used; what was read of them before stays good.
package struct ConfigurationFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where it is.
    package let place: Place
    /// What is wrong and what to do, in one sentence without a value of the file.
    package let sentence: String
    /// The file that this process has no right to read, when that is what is wrong.
    package let unreadable: String?

    /// A fault at a place.
    package init(at place: Place, _ sentence: String, unreadable: String? = nil) {
        self.place = place
        self.sentence = sentence
        self.unreadable = unreadable
    }

    /// "FILE:LINE: SENTENCE".
    package var description: String { "\(place): \(sentence)" }
}

/// One file of Asterisk with all that it includes, as Asterisk itself has it.
package struct Configuration: Equatable, Sendable {
    /// Every section in the order of Asterisk, templates among them.
    package let sections: [Section]

    /// The sections that are no templates.
    package var objects: [Section] { sections.filter { !$0.isTemplate } }

    /// The first section of a name that is no template, which is the one that Asterisk takes.
    package func section(_ name: StaticString) -> Section? {
        sections.first { !$0.isTemplate && $0.name.isSpelled(name) }
    }
}

/// What the reading of a folder may cost at most; what costs more is refused with a fault.
package struct ConfigurationLimits: Sendable {
    /// The bytes of all files, those that are included twice counted twice.
    package var bytes = 64 << 20
    /// The inclusions and the files opened for them, again and again counted.
    package var files = 200_000
    /// The sections.
    package var sections = 100_000
    /// The variables, inherited ones among them.
    package var variables = 2_000_000
    /// The variables looked at for `+=` and for `(+...)`.
    package var steps = 200_000_000
    /// The bytes that filters of `(+...)` are tried on, and 64 for each variable.
    package var filterBytes = 1_000_000
    /// The findings kept of things that are read otherwise than they stand; there are no more.
    package var findings = 1_000
    /// The findings kept of what is not read.
    package var missing = 1_000

    /// The limits of the product.
    package init() {}

    /// Makes room for a finding; false when there is none left.
    mutating func take(_ kind: Finding.Kind) -> Bool {
        let room: WritableKeyPath<Self, Int> = kind == .missing ? \.missing : \.findings
        guard self[keyPath: room] > 0 else { return false }
        self[keyPath: room] -= 1
        return true
    }

    /// How deep files may include each other, as in Asterisk.
    package static let depth = 10
    /// How deep comments of several lines may be nested; Asterisk hangs on one more.
    package static let commentDepth = 128
    /// The longest path, in bytes; Asterisk cuts a longer one, which then names nothing.
    package static let pathLength = 255
}
