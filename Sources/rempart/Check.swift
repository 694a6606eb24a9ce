internal import ArgumentParser
internal import Glibc
internal import Settings
internal import Sys

/// `rempart check`: everything that is wrong with a settings file.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a settings file and show every fault.",
        discussion: """
            What this machine lacks for it is shown as warnings: addresses, files, and, as root, \
            whether the components' users may read them. The certificate is read at the start.
            """)

    @Option(
        help: ArgumentHelp("The settings file.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var settings = Standard.settings

    func run() throws {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try readFile(settings, limit: SettingsFile.maximumLength)
        } catch {
            throw failure(error.description + remedy(for: error))
        }
        let file = SettingsFile(bytes)
        let surroundings = file.isGood ? Surroundings().diagnostics(of: file) : []
        for diagnostic in file.diagnostics + surroundings {
            complain(file.rendered(diagnostic, file: settings))
        }
        guard file.isGood else {
            let count = file.diagnostics.count { $0.severity == .error }
            throw failure("\(settings): \(count == 1 ? "1 error" : "\(count) errors")")
        }
        print("\(settings.terminalSafe): good: \(file.summary)")
    }

    /// What to do when there are no settings yet: an installation brings none.
    private func remedy(for error: SystemError) -> String {
        guard error.code == ENOENT, settings == Standard.settings else { return "" }
        return "; the service does not start without it: copy \(Standard.sample) there and edit it"
    }
}
