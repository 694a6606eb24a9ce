internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart check --live`: the source of the accounts, opened as accounts-reader will.
struct LiveCheck {
    /// All settings of a good file.
    private let settings: [Setting]

    /// A look at the source that these settings name.
    init(_ settings: [Setting]) { self.settings = settings }

    /// Says what is found; throws the exit code when the accounts cannot be read.
    func run() throws {
        do throws(LookFailure) {
            let findings = try found()
            say(findings.summary.terminalSafe)
            for warning in findings.warnings { complain(warning.terminalSafe) }
            say(findings.hint(callers: callers).terminalSafe)
        } catch {
            throw failure("the accounts cannot be read: \(error.words(source))")
        }
    }

    private func found() throws(LookFailure) -> SourceFindings {
        let reader = try ReaderProcess.start(settings)
        do throws(SourceProblem) {
            let look = SourceLook(realm: realm, at: Clock.monotonic)
            let findings = try reader.links.carryOut(look)
            _ = reader.end(hangs: false)
            return findings
        } catch {
            let isHung = if case .hangs = error { true } else { false }
            throw .givenUp(error, reader.end(hangs: isHung))
        }
    }

    private var ofReader: [AccountsReaderSetting] { settings.compactMap(\.told.accountsReader) }

    /// `accounts.source`.
    private var source: String {
        ofReader.lazy.compactMap { if case .source(let url) = $0 { url } else { nil } }.first ?? ""
    }

    /// `accounts.realm`, for which HA1s are asked.
    private var realm: String {
        ofReader.lazy.compactMap { if case .realm(let realm) = $0 { realm } else { nil } }.first
            ?? Setting.accounts.realm.standard
    }

    /// The accounts of `accounts.callers`.
    private var callers: [String] {
        settings.compactMap(\.told.router).compactMap { setting in
            if case .callers(let name, _) = setting { name } else { nil }
        }
    }
}
