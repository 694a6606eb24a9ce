internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart check`: everything that is wrong with a settings file, and with `--live` with the source of the accounts.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a settings file and show every fault.",
        discussion: """
            What this machine lacks for it is shown as warnings: addresses, files, and, as root, \
            whether the components' users may read them. The certificate is read at the start.

            With `--live` it opens the source of the accounts too, by an accounts-reader with the service's user and \
            confinement, whether the service runs or not. It tells how many accounts there are and which of them \
            nobody can use, or what is wrong and what to do. After \(SourceLook.longest.seconds) s it neither counts \
            nor looks up the rest.
            """)

    @Option(
        help: ArgumentHelp("The settings file.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var settings = Standard.settings
    @Flag(help: "Open the source of the accounts too, as the service will; needs root.")
    var live = false

    func run() throws {
        guard !live || geteuid() == 0 else {
            let file = settings == Standard.settings ? "" : " --settings \(settings)"
            throw failure(
                "--live starts accounts-reader as the user \(Role.accountsReader.user), which takes root: "
                    + "sudo rempart check --live\(file)")
        }
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try readFile(settings, limit: SettingsFile.maximumLength)
        } catch {
            throw failure(error.description + remedy(for: error))
        }
        let file = SettingsFile(bytes)
        let surroundings =
            file.isGood ? Surroundings(looksAtAccounts: !live).diagnostics(of: file) : []
        for diagnostic in file.diagnostics + surroundings {
            complain(file.rendered(diagnostic, file: settings))
        }
        guard file.isGood else {
            let count = file.diagnostics.count { $0.severity == .error }
            throw failure("\(settings): \(count == 1 ? "1 error" : "\(count) errors")")
        }
        say("\(settings.terminalSafe): good: \(file.summary)")
        if live { try LiveCheck(file.settings).run() }
    }

    /// What to do when there are no settings yet: an installation brings none.
    private func remedy(for error: SystemError) -> String {
        guard error.code == ENOENT, settings == Standard.settings else { return "" }
        return "; the service does not start without it: copy \(Standard.sample) there and edit it"
    }
}
