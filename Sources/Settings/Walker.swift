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
    /// Keys that a misspelt key most likely stands for: not told to be missing as well.
    private var meant: Set<String> = []
    private var start = Position(line: 1, column: 1)
    /// The name of the profile whose keys are read.
    private var profile = ""

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
            let path = group.isEmpty ? name : "\(group).\(name)"
            if let key = Schema.key(path) {
                given[path] = position
                let before = diagnostics.count { $0.severity == .error }
                read(key, value, at: position)
                if diagnostics.count(where: { $0.severity == .error }) > before {
                    faulty.insert(path)
                }
            } else if group.isEmpty, name == Schema.profilesGroup {
                walkProfiles(value, at: position)
            } else if group.isEmpty, Schema.keys.contains(where: { $0.group == name }) {
                given[path] = position
                if let mapping = value.mapping {
                    walk(mapping, group: name)
                } else {
                    for key in Schema.keys where key.group == name { meant.insert(key.path) }
                    let example = Schema.keys.first { $0.group == name }
                    let inner = example.map { "`\($0.name): \($0.example)`" } ?? ""
                    error(position, "`\(name)` holds keys of its own, each on a line: \(inner)")
                }
            } else {
                unknown(name, in: group, at: position)
            }
        }
    }

    /// Walks the profiles, whose names the file chooses.
    private mutating func walkProfiles(_ value: Node, at position: Position) {
        guard let mapping = value.mapping else {
            error(
                position,
                "`profiles` holds names, each with keys of its own: see `rempart settings`")
            return
        }
        for (key, value) in mapping {
            guard let (name, place) = document.name(of: key), (1...32).contains(name.utf8.count)
            else {
                error(
                    key.mark.map(Position.init) ?? position,
                    "a profile's name is one word of at most 32 bytes")
                continue
            }
            guard let keys = value.mapping else {
                error(place, "profile `\(name)` holds keys of its own, such as `networks: [...]`")
                continue
            }
            guard given["profiles.\(name)"] == nil else {
                error(place, "profile `\(name)` is given twice: leave one out")
                continue
            }
            given["profiles.\(name)"] = place
            profile = name
            walk(keys, group: Schema.profileGroup)
        }
    }

    /// Tells an unknown key, and what was probably meant: a name of the same group, else a name of
    /// another one with its group.
    private mutating func unknown(_ name: String, in group: String, at position: Position) {
        var siblings = Schema.keys.filter { $0.group == group }.map { String($0.name) }
        if group.isEmpty {
            for key in Schema.keys {
                let top = String(key.path.prefix { $0 != "." })
                if !key.group.isEmpty, !siblings.contains(top) { siblings.append(top) }
            }
        }
        let place = group.isEmpty ? "" : " in `\(group)`"
        if let near = Spelling.nearest(to: name, among: siblings) {
            let path = group.isEmpty ? near : "\(group).\(near)"
            for key in Schema.keys where key.path == path || key.group == path {
                meant.insert(key.path)
            }
            error(position, "unknown key `\(name)`\(place); did you mean `\(near)`?")
            return
        }
        let leaf = name.split(separator: ".").last.map(String.init) ?? name
        let names = Schema.keys.map { String($0.name) }
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

    private mutating func read(_ key: SettingKey, _ value: Node, at position: Position) {
        guard let items = key.items else {
            guard let scalar = word(value) else {
                error(position, "`\(key.path)` is one value, such as `\(key.name): \(key.example)`")
                return
            }
            _ = take(scalar, key, else: position)
            return
        }
        guard let sequence = value.sequence else {
            error(position, "`\(key.path)` is a list, such as `\(key.name): \(key.example)`")
            return
        }
        if !items.contains(sequence.count) {
            let message =
                "has \(sequence.count) items: it takes \(items.lowerBound) to \(items.upperBound)"
            error(position, "`\(key.path)` \(message)")
        }
        var seen: [(setting: Setting?, text: String, line: Int)] = []
        for node in sequence {
            let place = node.mark.map(Position.init) ?? position
            guard let scalar = word(node) else {
                error(place, "an item of `\(key.path)` is one value, as in `\(key.example)`")
                continue
            }
            guard let taken = take(scalar, key, else: position) else { continue }
            let twin = seen.first {
                taken.setting == nil ? $0.text == scalar.string : $0.setting == taken.setting
            }
            if let twin {
                error(
                    place,
                    "`\(scalar.string)` is given twice, first in line \(twin.line):"
                        + " leave one out")
            }
            seen.append((taken.setting, scalar.string, place.line))
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
        do throws(ValueError) {
            var setting = try key.read(scalar.string)
            if case .profile(_, let rule) = setting { setting = .profile(profile, rule) }
            let value = SettingsFile.Value(path: key.path, position: place, setting: setting)
            values.append(value)
            return value
        } catch let fault {
            error(place, "`\(key.path)`: \(fault.message)")
            return nil
        }
    }

    /// Tells the keys that must be there and are not.
    private mutating func checkMissing() {
        let tls = values.first { value in
            if case .outside(let endpoint) = value.setting {
                endpoint.transport == .tls
            } else {
                false
            }
        }
        for key in Schema.keys where given[key.path] == nil && !meant.contains(key.path) {
            let place = given[String(key.group)]
            let line = "`\(key.name): \(key.example)`"
            let what = place != nil || key.group.isEmpty ? line : "`\(key.group):` with \(line)"
            let missing = "`\(key.path)` is missing: add \(what)"
            switch key.need {
            case .always: error(place ?? start, missing)
            case .withTLS:
                if let tls { error(place ?? tls.position, "\(missing), or leave tls:// out") }
            case .never: break
            }
        }
    }
}
