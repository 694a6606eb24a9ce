// Asterisk's folder of configuration files, astetcdir.
internal import Sys

/// A folder whose files are read as Asterisk reads them.
///
/// One value is one reading: it remembers what it has read in `stamp`, and what it may still read.
package struct AsteriskFolder {
    /// The folder's path, without a slash at its end.
    package let path: String
    /// What there is to say about the files read so far, in the order of reading.
    package private(set) var findings: [Finding] = []
    /// The first included file that Asterisk leaves out the rest of, though it takes the one that includes it.
    package private(set) var cut: Finding?

    /// Whether Asterisk runs the programs of #exec, as far as is known (execincludes).
    var runsPrograms = true

    private let files: any ConfigurationFiles
    /// The files that an Asterisk has told, in place of those of a disk.
    private let told: [String: Configuration]?
    private var left: ConfigurationLimits

    /// A folder of the disk that nothing was read of yet.
    package init(_ path: String, limits: ConfigurationLimits = ConfigurationLimits()) {
        self.init(path, files: FolderFiles(below: Self.trimmed(path)), limits: limits)
    }

    /// A folder of other files.
    package init(
        _ path: String, files: any ConfigurationFiles,
        limits: ConfigurationLimits = ConfigurationLimits()
    ) {
        self.path = Self.trimmed(path)
        self.files = files
        told = nil
        left = limits
    }

    /// The files that an Asterisk has told, by their names, and what it is called.
    init(told files: [String: Configuration], place: String) {
        path = place
        self.files = FolderFiles(below: "/")
        told = files
        left = ConfigurationLimits()
    }

    /// A path without a slash at its end.
    private static func trimmed(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Which files were read, and what they were then; of files that are not of the disk nothing.
    package var stamp: FolderStamp { (files as? FolderFiles)?.stamp ?? FolderStamp() }

    /// Reads one file with all that it includes; nil when it is not there.
    ///
    /// Throws where Asterisk takes nothing of the file, where it would hang, where a file cannot be read, and where the
    /// files are larger than the limits.
    package mutating func configuration(
        _ name: String
    ) throws(ConfigurationFault) -> Configuration? {
        if let told { return told[name] }
        let file = name.hasPrefix("/") ? name : "\(path)/\(name)"
        var loader = ConfigurationLoader(
            folder: path, files: files, left: left, runsPrograms: runsPrograms)
        let isThere: Bool
        do {
            isThere = try loader.load(name.utf8, from: Place(file: file, line: 1))
        } catch {
            switch error {
            case .broken(let fault), .refused(let fault): throw fault
            }
        }
        left = loader.left
        findings += loader.findings
        cut = cut ?? loader.cut
        return isThere ? Configuration(sections: loader.sections) : nil
    }

    /// Adds what there is to say about the meaning of what was read.
    mutating func note(_ finding: Finding) {
        guard left.take(finding.kind) else { return }
        findings.append(finding)
    }
}
