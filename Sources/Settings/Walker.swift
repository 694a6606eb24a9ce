internal import Messages
internal import Yams

/// Walks the tree of a settings text along the schema and collects values and faults.
struct Walker {
    private let document: Document
    /// What was found so far, in the order of the text.
    private(set) var values: [SettingsFile.Value] = []
    /// What is wrong so far.
    private(set) var diagnostics: [Diagnostic] = []
    /// Where each key and group was given.
    private(set) var given: [String: Position] = [:]
    /// Keys with a value that is wrong: what else they would set is not known.
    private(set) var faulty: Set<String> = []
    /// Keys and groups that a misspelt key most likely stands for: not told to be missing as well.
    private(set) var meant: Set<String> = []
    private var start = Position(line: 1, column: 1)
    /// The names that the file chose for profiles and trunks.
    private(set) var members: [Member] = []
    /// The one of them whose keys are read.
    private var member = ""
    /// The items of lists that hold keys of their own, each with its number from 1 on.
    private var items: [(group: ListGroup, number: Int, position: Position)] = []

    /// A name that the file chose.
    struct Member {
        /// What the name is for.
        let group: NamedGroup
        /// The name.
        let name: String
        /// Where it stands.
        let position: Position
        /// Whether it could be told what the name holds.
        let isRead: Bool

        fileprivate init(_ group: NamedGroup, _ name: String, _ position: Position, isRead: Bool) {
            self.group = group
            self.name = name
            self.position = position
            self.isRead = isRead
        }
    }

    init(_ document: Document) {
        self.document = document
        if let fault = document.fault {
            diagnostics.append(fault)
            return
        }
        if let root = document.root {
            if let mark = root.mark { start = Position(mark) }
            if let mapping = root.mapping {
                walk(mapping, group: "")
            } else {
                error(start, "settings are `key: value` lines; `rempart settings` lists the keys")
                return
            }
        }
        checkMissing()
    }

    /// Tells a fault.
    mutating func error(_ position: Position, _ message: String) {
        diagnostics.append(Diagnostic(.error, at: position, message))
    }

    /// Tells something that does not hinder.
    mutating func warn(_ position: Position, _ message: String) {
        diagnostics.append(Diagnostic(.warning, at: position, message))
    }

    private mutating func walk(_ mapping: Node.Mapping, group: String) {
        for (name, position, value) in entries(of: mapping) {
            let path = group.isEmpty ? name : "\(group).\(name)"
            if let key = Schema.key(path), key.group == group {
                let path = named(path)
                given[path] = position
                let before = diagnostics.count { $0.severity == .error }
                read(key, value, at: position)
                if diagnostics.count(where: { $0.severity == .error }) > before {
                    faulty.insert(path)
                }
            } else if let list = Schema.listGroups.first(where: { $0.path == path }) {
                given[path] = position
                walkItems(value, of: list, at: position)
            } else if let names = Schema.namedValues.first(where: { $0.path == path }) {
                given[path] = position
                walkValues(value, of: names, at: position)
            } else if group.isEmpty,
                let names = Schema.namedGroups.first(where: { $0.name == name })
            {
                walkNames(value, of: names, at: position)
            } else if Schema.keys.contains(where: { $0.group == path && !$0.isUnderName }) {
                given[path] = position
                if let mapping = value.mapping {
                    walk(mapping, group: path)
                } else {
                    for key in Schema.keys where key.group == path { meant.insert(key.path) }
                    let example = Schema.keys.first { $0.group == path }
                    let inner = example.map { "`\($0.name): \($0.example)`" } ?? ""
                    error(position, "`\(path)` holds keys of its own, each on a line: \(inner)")
                }
            } else {
                unknown(name, in: group, at: position)
            }
        }
    }

    /// The keys of a mapping with their places and values; one given twice counts once.
    private mutating func entries(
        of mapping: Node.Mapping
    ) -> [(name: String, position: Position, value: Node)] {
        var entries: [(name: String, position: Position, value: Node)] = []
        var lines: [String: Int] = [:]
        for (key, value) in mapping {
            guard let (name, position) = document.name(of: key) else {
                error(key.mark.map(Position.init) ?? start, "a key is one word")
                continue
            }
            if let line = lines[name] {
                error(position, "`\(name)` is given twice, first in line \(line): leave one out")
                continue
            }
            lines[name] = position.line
            entries.append((name, position, value))
        }
        return entries
    }

    /// Walks a group whose names the file chooses.
    private mutating func walkNames(_ value: Node, of group: NamedGroup, at position: Position) {
        let keys = Schema.keys.filter { $0.group == group.keys }
        let line = keys.first.map { "`\($0.name): \($0.example)`" } ?? ""
        guard let mapping = value.mapping else {
            error(
                position,
                "`\(group.name)` holds names of yours, each with keys of its own: `\(group.example):`"
                    + " with \(line)")
            return
        }
        if let limit = group.limit, mapping.count > limit {
            error(position, "`\(group.name)` has \(mapping.count) names: it takes at most \(limit)")
        }
        for (name, place, value) in entries(of: mapping) {
            let isName = group.isName(name)
            members.append(Member(group, name, place, isRead: isName && value.mapping != nil))
            if !isName {
                error(place, "`\(name)` is not the name of a \(group.what): \(group.range)")
            } else if let mapping = value.mapping {
                member = name
                walk(mapping, group: group.keys)
            } else if let key = keys.first(where: { $0.name == name }) {
                error(
                    place,
                    "`\(name)` stands under the name of a \(group.what): `\(group.example):` with"
                        + " `\(name): \(key.example)`")
            } else {
                error(place, "the \(group.what) `\(name)` holds keys of its own, such as \(line)")
            }
        }
    }

    /// Walks values that stand behind names that the file chooses.
    private mutating func walkValues(
        _ value: Node, of names: NamedValues, at position: Position
    ) {
        guard let key = Schema.keys.first(where: { $0.group == names.path }) else { return }
        guard let mapping = value.mapping else {
            let example = "`\(names.name): {\(names.example): \(key.example)}`"
            return error(
                position,
                "`\(names.path)` holds names of \(names.what)s with a value, such as \(example)")
        }
        if mapping.count > names.limit {
            error(
                position,
                "`\(names.path)` has \(mapping.count) names: it takes at most \(names.limit)")
        }
        for (name, place, value) in entries(of: mapping) {
            guard names.isName(name) else {
                error(place, "`\(name)` is not the name of an \(names.what): \(names.range)")
                continue
            }
            member = name
            given[named(key.path)] = place
            read(key, value, at: place)
        }
    }

    /// Walks a list whose items hold keys.
    private mutating func walkItems(_ value: Node, of list: ListGroup, at position: Position) {
        let keys = Schema.keys.filter { $0.group == list.keys }
        let words = keys.map { "\($0.name): \($0.example)" }.joined(separator: ", ")
        let example = "`- {\(words)}`"
        guard let sequence = value.sequence else {
            return error(
                position,
                "`\(list.path)` is a list, each item with keys of its own: \(example)")
        }
        if !list.items.contains(sequence.count) {
            let (fewest, most) = (list.items.lowerBound, list.items.upperBound)
            error(
                position,
                "`\(list.path)` has \(sequence.count) items: it takes \(fewest) to \(most)")
        }
        for (index, node) in sequence.enumerated() {
            let place = node.mark.map(Position.init) ?? position
            guard let mapping = node.mapping else {
                error(
                    place, "a \(list.what) of `\(list.path)` holds keys of its own: \(example)")
                continue
            }
            items.append((list, index + 1, place))
            walk(mapping, group: list.keys)
        }
    }

    /// A path with the name in it whose keys are read, or the number of the list's item.
    private func named(_ path: String) -> String {
        let number = items.last.map { "[\($0.number)]" } ?? ""
        return path.replacing(".\(SettingKey.namePlaceholder)", with: ".\(member)")
            .replacing(SettingKey.itemPlaceholder, with: number)
    }

    /// Tells an unknown key, and what was probably meant: a name of the same group, else a name of
    /// another one with its group.
    private mutating func unknown(_ name: String, in group: String, at position: Position) {
        let siblings = siblings(in: group)
        let place = group.isEmpty ? "" : " in `\(named(group))`"
        if let near = Spelling.nearest(to: name, among: siblings) {
            let path = group.isEmpty ? near : "\(group).\(near)"
            meant.insert(named(path))
            for key in Schema.keys where key.group == path { meant.insert(key.path) }
            error(position, "unknown key `\(name)`\(place); did you mean `\(near)`?")
            return
        }
        let leaf = name.split(separator: ".").last.map(String.init) ?? name
        let names = Schema.keys.map { String($0.name) }.filter { $0 != SettingKey.namePlaceholder }
        if let near = Spelling.nearest(to: leaf, among: names),
            let key = Schema.keys.first(where: { $0.name == near })
        {
            meant.insert(key.path)
            let under = key.group.isEmpty ? "at the top of the file" : "under `\(key.group):`"
            let message = "unknown key `\(name)`\(place); did you mean `\(near)` \(under)?"
            error(position, message)
            return
        }
        let list = siblings.joined(separator: ", ")
        error(position, "unknown key `\(name)`\(place); the keys here are \(list)")
    }

    /// The names that may stand in a group.
    private func siblings(in group: String) -> [String] {
        var names = Schema.keys.filter { $0.group == group }.map { String($0.name) }
        for list in Schema.listGroups where list.path == "\(group).\(list.name)" {
            names.append(String(list.name))
        }
        // The groups in it.
        let head = group.isEmpty ? "" : "\(group)."
        for key in Schema.keys where !key.group.isEmpty && key.group.hasPrefix(head) {
            let inner = String(key.group.dropFirst(head.count).prefix { $0 != "." })
            let isGroup = inner != SettingKey.namePlaceholder && !inner.hasSuffix("[]")
            if isGroup, !names.contains(inner) { names.append(inner) }
        }
        return names
    }

    private mutating func read(_ key: SettingKey, _ value: Node, at position: Position) {
        let path = named(key.path)
        guard let items = key.items else {
            guard let scalar = word(value) else {
                let name = key.name == SettingKey.namePlaceholder ? Substring(member) : key.name
                error(position, "`\(path)` is one value, such as `\(name): \(key.example)`")
                return
            }
            _ = take(scalar, key, else: position)
            return
        }
        guard let sequence = value.sequence else {
            error(position, "`\(path)` is a list, such as `\(key.name): \(key.example)`")
            return
        }
        if !items.contains(sequence.count) {
            let message =
                "has \(sequence.count) items: it takes \(items.lowerBound) to \(items.upperBound)"
            error(position, "`\(path)` \(message)")
        }
        var seen: [(setting: Setting, line: Int)] = []
        for node in sequence {
            let place = node.mark.map(Position.init) ?? position
            guard let scalar = word(node) else {
                error(place, "an item of `\(path)` is one value, as in `\(key.example)`")
                continue
            }
            guard let taken = take(scalar, key, else: position) else { continue }
            if let twin = seen.first(where: { $0.setting == taken.setting }) {
                error(
                    place,
                    "`\(scalar.string)` is given twice, first in line \(twin.line):"
                        + " leave one out")
            }
            seen.append((taken.setting, place.line))
        }
    }

    /// The scalar of a node, unless it stands for "nothing" (YAML 1.1: empty, ~, null).
    private func word(_ node: Node) -> Node.Scalar? {
        guard let scalar = node.scalar else { return nil }
        let isNothing = ["", "~", "null", "Null", "NULL"].contains(scalar.string)
        return scalar.style == .plain && isNothing ? nil : scalar
    }

    private mutating func take(
        _ scalar: Node.Scalar, _ key: SettingKey, else position: Position
    ) -> SettingsFile.Value? {
        let place = scalar.mark.map(Position.init) ?? position
        let path = named(key.path)
        do throws(ValueError) {
            let setting = try key.read(scalar.string, Settings.Value.self, member)
            let value = SettingsFile.Value(path: path, position: place, setting: setting)
            values.append(value)
            return value
        } catch let fault {
            error(place, "`\(path)`: \(fault.message)")
            return nil
        }
    }

    /// Tells the keys that must be there and are not.
    private mutating func checkMissing() {
        let tls = values.first { $0.setting.told.router?.outside?.endpoint.transport == .tls }
        for key in Schema.keys where key.need != .never {
            for (path, place) in places(of: key) where given[path] == nil && !meant.contains(path) {
                let line = "`\(key.name): \(key.example)`"
                let what = place != nil || key.group.isEmpty ? line : "`\(key.group):` with \(line)"
                let missing = "`\(path)` is missing: add \(what)"
                if case .alwaysUnless(let older) = key.need {
                    if given[older] == nil, !meant.contains(older) {
                        error(place ?? start, missing)
                    }
                } else if key.need == .always {
                    error(place ?? start, missing)
                } else if let tls, given[Schema.certificates.path] == nil {
                    error(place ?? tls.position, "\(missing), or leave tls:// out")
                }
            }
        }
    }

    /// The paths that a key has in this file, each with the place of its group if that is there.
    private func places(of key: SettingKey) -> [(path: String, group: Position?)] {
        guard key.isUnderName else { return [(key.path, given[String(key.group)])] }
        let inItems: [(path: String, group: Position?)] =
            items.filter { $0.group.keys == key.group }.map {
                ("\($0.group.path)[\($0.number)].\(key.name)", $0.position)
            }
        let underNames: [(path: String, group: Position?)] =
            members.filter { $0.isRead && $0.group.keys == key.group }.map {
                ("\($0.group.name).\($0.name).\(key.name)", $0.position)
            }
        return inItems + underNames
    }
}
