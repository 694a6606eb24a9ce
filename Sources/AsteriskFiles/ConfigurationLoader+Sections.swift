// Headers of sections, `[name](options)`, and variables.

extension ConfigurationLoader {
    // MARK: Headers

    /// A header under way: a new section, until `(+)` has found one that is there.
    private struct Header {
        let name: ArraySlice<UInt8>
        let place: Place
        var fresh: Section?
        var found: Int?
    }

    /// Reads a line that begins with `[`.
    mutating func readHeader(
        _ line: ArraySlice<UInt8>, _ place: Place, _ reading: inout Reading
    ) throws(Stop) {
        guard let close = line.firstIndex(of: UInt8(ascii: "]")) else {
            throw Self.broken(place, "the section's name does not end with ]")
        }
        let name = line[(line.startIndex + 1)..<close]
        var header = Header(name: name, place: place, fresh: Section(name: name, place: place))
        let rest = line[(close + 1)...]
        if rest.first == UInt8(ascii: "(") {
            guard let end = rest.firstIndex(of: UInt8(ascii: ")")) else {
                throw Self.broken(place, "the section's options do not end with )")
            }
            let options = rest[(rest.startIndex + 1)..<end]
            for option in options.split(
                separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            {
                try apply(option, to: &header)
            }
        }
        if let fresh = header.fresh {
            try spend(\.sections, 1, place, "sections")
            byName[fresh.name.folded, default: []].append(sections.count)
            current = sections.count
            header.found = current
            sections.append(fresh)
        }
        reading.section = header.found
    }

    private mutating func apply(
        _ option: ArraySlice<UInt8>, to header: inout Header
    ) throws(Stop) {
        if option.elementsEqual([UInt8(ascii: "!")]) {
            if let found = header.found, header.fresh == nil {
                sections[found].isTemplate = true
            } else {
                header.fresh?.isTemplate = true
            }
        } else if option.first == UInt8(ascii: "+") {
            try continueSection(option.dropFirst(), &header)
        } else {
            try inherit(option, &header)
        }
    }

    private mutating func continueSection(
        _ filter: ArraySlice<UInt8>, _ header: inout Header
    ) throws(Stop) {
        let filter = try SectionFilter(filter, header.place)
        var found: Int?
        let candidates = candidates(header.name)
        try spend(\.steps, candidates.count, header.place, "lines with += or (+...)")
        for index in candidates {
            try spend(
                \.filterBytes, filter.cost(sections[index]), header.place,
                "variables behind filters of (+...)")
            guard filter.matches(sections[index]) else { continue }
            found = index
            break
        }
        guard let found else {
            throw Self.broken(
                header.place,
                "there is no section [\(header.name.shown)] above that (+) could go on with")
        }
        header.found = found
        guard let fresh = header.fresh else { return }
        header.fresh = nil
        current = found
        sections[found].isTemplate = sections[found].isTemplate || fresh.isTemplate
        sections[found].variables += fresh.variables
    }

    private mutating func inherit(
        _ name: ArraySlice<UInt8>, _ header: inout Header
    ) throws(Stop) {
        guard let base = candidates(name).first else {
            throw Self.broken(
                header.place,
                "there is no section [\(name.shown)] above to inherit from: write it further up")
        }
        let inherited = sections[base].variables
        try spend(\.variables, inherited.count, header.place, "variables")
        if header.fresh != nil {
            header.fresh?.variables += inherited
        } else if let found = header.found {
            guard found != base else {
                throw .refused(
                    ConfigurationFault(
                        at: header.place, "the section inherits from itself: Asterisk hangs here"))
            }
            sections[found].variables += inherited
        }
    }

    /// The sections that a name means, in order; to Asterisk an empty one means all.
    private func candidates(_ name: ArraySlice<UInt8>) -> [Int] {
        name.isEmpty ? Array(sections.indices) : byName[name.folded] ?? []
    }

    static func broken(_ place: Place, _ sentence: String) -> Stop {
        .broken(ConfigurationFault(at: place, sentence))
    }

    // MARK: Variables

    /// Reads any other line.
    mutating func readVariable(
        _ line: ArraySlice<UInt8>, _ place: Place, _ section: Int?
    ) throws(Stop) {
        guard let section else {
            throw Self.broken(place, "the line stands above every section")
        }
        var rest = line
        let isEscaped = rest.first == UInt8(ascii: "\\")
        if isEscaped {
            rest = rest.dropFirst()
            // Where char is signed, as on x86, a byte above 127 is refused with the blanks.
            guard let first = rest.first, first > 32, first < 128 else {
                throw Self.broken(place, "nothing stands behind the backslash")
            }
        }
        let begin = rest.startIndex + (isEscaped ? 1 : 0)
        guard let equals = rest[begin...].firstIndex(of: UInt8(ascii: "=")) else {
            note(.ignored, place, "the line has no =, and Asterisk passes over it")
            return
        }
        let adds = equals > begin && rest[equals - 1] == UInt8(ascii: "+")
        let name = rest[..<(adds ? equals - 1 : equals)].stripped
        var value = rest[(equals + 1)...]
        if adds {
            if try append(value, to: name, of: section, place) { return }
        } else if value.first == UInt8(ascii: ">") {
            value = value.dropFirst()
        }
        guard !name.isEmpty else {
            note(.ignored, place, "no name stands before the =, and Asterisk passes over the line")
            return
        }
        try spend(\.variables, 1, place, "variables")
        sections[section].variables.append(
            Variable(name: Array(name), value: Array(value.stripped), place: place))
    }

    /// Adds to the last variable of that very name; false when there is none.
    ///
    /// As in Asterisk it takes the place of the first variable whose name and value are alike but for
    /// capitals, or whose name is when the value was empty.
    private mutating func append(
        _ more: ArraySlice<UInt8>, to name: ArraySlice<UInt8>, of section: Int, _ place: Place
    ) throws(Stop) -> Bool {
        let variables = sections[section].variables
        try spend(\.steps, 2 * variables.count, place, "lines with += or (+...)")
        guard let last = variables.last(where: { $0.name.elementsEqual(name) }) else {
            return false
        }
        try spend(\.steps, last.value.count, place, "lines with += or (+...)")
        let alike = variables.firstIndex {
            $0.name.isSpelled(last.name) && (last.value.isEmpty || $0.value.isSpelled(last.value))
        }
        guard let alike else { return false }
        sections[section].variables[alike] = Variable(
            name: last.name, value: Array((last.value + more).stripped),
            place: variables[alike].place)
        return true
    }
}
