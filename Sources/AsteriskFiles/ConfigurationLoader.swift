// One file of Asterisk and all that it includes, line by line as Asterisk's own loader reads it.
internal import Sys

/// The sections that come of a file and its inclusions, in the making.
struct ConfigurationLoader {
    /// Why a file is read no further.
    enum Stop: Error {
        /// As in Asterisk: nothing of a file comes of it, or of an included one no more than what stands above.
        case broken(ConfigurationFault)
        /// The whole reading ends.
        case refused(ConfigurationFault)
    }

    /// Where a file is being read.
    struct Reading {
        /// The section that variables go to.
        var section: Int?
        /// What goes on from one file of a pattern to the next.
        var lines = LineReader.Continued()
    }

    let folder: String
    let files: any ConfigurationFiles
    /// Whether Asterisk runs the programs of #exec.
    let runsPrograms: Bool
    /// What is left to spend.
    var left: ConfigurationLimits
    /// Every section so far.
    var sections: [Section] = []
    /// What there is to say so far.
    var findings: [Finding] = []
    /// The first included file of which the rest is left out, said among the findings as far as there is room.
    private(set) var cut: Finding?
    /// The sections' places in `sections` by their folded names.
    var byName: [[UInt8]: [Int]] = [:]
    /// The section that an included file begins in.
    var current: Int?
    /// How many files are open; as in Asterisk a broken one counts for ever.
    private var level = 0

    /// Nothing read yet; names are relative to the folder.
    init(
        folder: String, files: any ConfigurationFiles, left: ConfigurationLimits,
        runsPrograms: Bool
    ) {
        self.folder = folder
        self.files = files
        self.runsPrograms = runsPrograms
        self.left = left
    }

    // MARK: Files

    /// Reads a file, or every file of a pattern, that was named at a place; whether there was any.
    mutating func load(_ name: some Collection<UInt8>, from place: Place) throws(Stop) -> Bool {
        guard level <= ConfigurationLimits.depth else {
            note(
                .missing, place,
                "files include each other more than \(ConfigurationLimits.depth) deep, and Asterisk reads none of that depth"
            )
            return false
        }
        level += 1
        guard let name = String(validating: name, as: UTF8.self) else {
            throw .refused(ConfigurationFault(at: place, "the file's name is not UTF-8: rename it"))
        }
        try spend(\.files, 1, place, "inclusions and files")
        let pattern = name.hasPrefix("/") ? name : "\(folder)/\(name)"
        var reading = Reading(section: current)
        var wasThere = false
        guard !isOutside(pattern, place) else {
            level -= 1
            return true
        }
        for path in try paths(pattern, place) {
            try spend(\.files, 1, place, "inclusions and files")
            guard !isOutside(path, place) else {
                wasThere = true
                continue
            }
            guard let bytes = try contents(path, place) else { continue }
            wasThere = true
            try read(bytes, path, &reading)
        }
        level -= 1
        return wasThere
    }

    private func paths(_ pattern: String, _ place: Place) throws(Stop) -> [String] {
        let most = ConfigurationLimits.pathLength
        guard pattern.utf8.count <= most else { return [] }
        do {
            return try files.paths(matching: pattern).filter { $0.utf8.count <= most }
        } catch {
            throw .refused(ConfigurationFault(at: place, Self.remedy(error)))
        }
    }

    /// Whether a file lies outside of the folder, which is noted: who reads the folder may read nothing else.
    private mutating func isOutside(_ path: String, _ place: Place) -> Bool {
        guard files.isOutside(path) else { return false }
        note(
            .missing, place,
            "\(path) leads out of \(folder), and Rempart reads that folder alone: put the file itself there"
        )
        return true
    }

    private mutating func contents(_ path: String, _ place: Place) throws(Stop) -> [UInt8]? {
        let contents: FileContents
        do {
            contents = try files.contents(of: path, limit: left.bytes)
        } catch {
            throw .refused(
                ConfigurationFault(
                    at: place, Self.remedy(error),
                    unreadable: error.code == Errno.access ? path : nil))
        }
        switch contents {
        case .bytes(let bytes):
            left.bytes -= bytes.count
            return bytes
        case .absent: return nil
        case .noRegularFile:
            note(.ignored, place, "\(path) is no regular file, and Asterisk passes over it")
            return nil
        case .tooLong:
            throw .refused(
                ConfigurationFault(
                    at: place,
                    "with \(path) there are more bytes than Rempart reads: take out what is no account"
                ))
        }
    }

    private static func remedy(_ error: SystemError) -> String {
        error.code == Errno.access
            ? "cannot \(error): let the group of accounts-reader read it" : "cannot \(error)"
    }

    private mutating func read(
        _ bytes: [UInt8], _ path: String, _ reading: inout Reading
    ) throws(Stop) {
        var lines = LineReader(bytes)
        while true {
            let line: LineReader.Line?
            do {
                line = try lines.next(&reading.lines)
            } catch {
                throw .refused(
                    ConfigurationFault(
                        at: Place(file: path, line: error.number),
                        "comments of several lines are nested deeper than \(ConfigurationLimits.commentDepth): Asterisk hangs here"
                    ))
            }
            guard let line else { return }
            let place = Place(file: path, line: line.number)
            switch line.text.first {
            case UInt8(ascii: "["): try readHeader(line.text, place, &reading)
            case UInt8(ascii: "#"): try readDirective(line.text, place)
            default: try readVariable(line.text, place, reading.section)
            }
        }
    }

    // MARK: What is spent and said

    /// Counts what is being used; throws when there is no more of it.
    mutating func spend(
        _ what: WritableKeyPath<ConfigurationLimits, Int>, _ amount: Int, _ place: Place,
        _ name: StaticString
    ) throws(Stop) {
        left[keyPath: what] -= amount
        guard left[keyPath: what] < 0 else { return }
        throw .refused(
            ConfigurationFault(
                at: place, "there are more \(name) than Rempart reads: take out what is no account")
        )
    }

    /// Remembers what there is to say, as far as there is room.
    mutating func note(_ kind: Finding.Kind, _ place: Place, _ sentence: String) {
        guard left.take(kind) else { return }
        findings.append(Finding(kind, at: place, sentence))
    }

    // MARK: Directives

    /// Reads a line that begins with `#`.
    private mutating func readDirective(
        _ line: ArraySlice<UInt8>, _ place: Place
    ) throws(Stop) {
        // Where char is signed, as on x86, Asterisk ends the word at a byte above 127 too.
        let word = line.dropFirst().prefix { $0 > 32 && $0 < 128 }
        let argument = line[word.endIndex...].dropFirst().stripped
        let isTried = word.isSpelled("tryinclude")
        if word.isSpelled("exec") {
            noteProgram(place)
        } else if !isTried, !word.isSpelled("include") {
            note(.ignored, place, "Asterisk knows no directive #\(word.shown), and passes over it")
        } else if argument.isEmpty {
            note(.ignored, place, "the inclusion names no file, and Asterisk passes over it")
        } else {
            try include(Self.unquoted(argument), place, isTried: isTried)
        }
    }

    private mutating func noteProgram(_ place: Place) {
        if runsPrograms {
            note(
                .missing, place,
                "a program writes these lines, and Rempart runs none: save the program's output in a file and include that"
            )
        } else {
            note(
                .ignored, place,
                "Asterisk runs no program here without execincludes=yes in asterisk.conf, and neither does Rempart"
            )
        }
    }

    private mutating func include(
        _ name: ArraySlice<UInt8>, _ place: Place, isTried: Bool
    ) throws(Stop) {
        let isTooDeep = level > ConfigurationLimits.depth
        do {
            guard try !load(name, from: place), !isTried else { return }
        } catch .broken(let fault) {
            // Asterisk itself goes on with what stood above the fault.
            let sentence = "\(fault.sentence); Asterisk leaves out the rest of this file"
            cut = cut ?? Finding(.missing, at: fault.place, sentence)
            note(.missing, fault.place, sentence)
            return
        }
        throw .broken(
            ConfigurationFault(
                at: place,
                isTooDeep
                    ? "files include each other too deep: let none include itself"
                    : "there is no file \(name.shown) to include: write #tryinclude where it may be missing"
            ))
    }

    /// A file's name without the quotes or angle brackets around it.
    private static func unquoted(_ name: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let ends: [UInt8: UInt8] = [
            UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "<"): UInt8(ascii: ">"),
        ]
        guard let first = name.first, let end = ends[first], name.last == end else { return name }
        return name.dropFirst().dropLast()
    }
}
