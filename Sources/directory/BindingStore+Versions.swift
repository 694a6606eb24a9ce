// The bindings' file of another version of Rempart, and a copy for a backup.
internal import Glibc
internal import Messages
internal import SQLite
internal import Sys

extension BindingStore {
    /// Throws when a file is of a newer version.
    ///
    /// It is looked at without being written to: to open it to write would already replay its WAL
    /// and remove it.
    static func refuseNewer(_ path: String) throws(SQLiteError) {
        guard unsafe access(path, F_OK) == 0, let found = try? newer(path) else { return }
        throw .newer(StateFile.bindings.refusal(of: found.format, writer: found.writer))
    }

    private static func newer(
        _ path: String
    ) throws(SQLiteError) -> (format: Int64, writer: String)? {
        let file = try SQLiteDatabase(path: path, .alone, busyTimeout: 0)
        // Exclusive: a WAL is read without the shared memory that would lie beside it.
        try file.execute("PRAGMA locking_mode=EXCLUSIVE")
        let format = try file.prepare("PRAGMA user_version").first([]) { $0.integer(0) }
        guard let format, format > StateFile.bindings.format else { return nil }
        let statement = try? file.prepare("SELECT version FROM writer")
        let writer = try? statement?.first([]) { $0.text(0) }
        return (format, writer ?? "")
    }

    /// Writes all that is stored, uncommitted changes too, to a file of its own in the folder, in
    /// place of an earlier copy.
    ///
    /// The process that has asked for it opens it within `copyLife`, and removes it where that is
    /// permitted.
    func layCopy(now: Milliseconds) throws(SQLiteError) {
        guard let folder else {
            throw SQLiteError(code: 0, description: "no state folder was handed over")
        }
        commit(now: now)
        let path = Self.copyPath(folder)
        _ = unsafe unlink(path)
        copyEnds = now + Self.copyLife
        do {
            let copy = try SQLiteDatabase(path: path, .writing, busyTimeout: 0)
            // One that is not whole is never used.
            try copy.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
            try copy.copy(database)
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
    }

    /// How long a copy for a backup lies there.
    private static let copyLife = Milliseconds.seconds(10)

    private static func copyPath(_ folder: String) -> String {
        let name = StateFile.bindingsCopy.split(separator: "/").last ?? ""
        return "\(folder)/\(name)"
    }

    /// Removes a copy whose time is over; root of a container cannot, whom directory's folder is closed to.
    func removeOldCopy(_ now: Milliseconds) {
        guard let folder, let end = copyEnds, now >= end || end - now > Self.copyLife else {
            return
        }
        _ = unsafe unlink(Self.copyPath(folder))
        copyEnds = nil
    }
}
