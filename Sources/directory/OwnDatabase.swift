// The databases that directory alone writes: bindings, and the accounts it knows.
internal import Glibc
internal import SQLite
internal import Sys

/// A SQLite file of directory's own.
enum OwnDatabase {
    /// How long a statement waits for another process's lock, in milliseconds: a backup may read a file as it
    /// is closed.
    static let busyTimeout: Int32 = 500

    /// Opens a file to write, and makes it, for this user alone, where it is missing.
    static func open(_ path: String) throws(SQLiteError) -> SQLiteDatabase {
        let raw = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        // What stands in the way SQLite finds too, and says in its own words.
        if raw >= 0 { _ = Descriptor(owning: raw) }
        let database = try SQLiteDatabase(path: path, .writing, busyTimeout: busyTimeout)
        // Exclusive before WAL: no shared memory file, and no second process by mistake.
        try database.execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL")
        try database.execute("PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=4194304")
        return database
    }

    /// Renames a file, with its WAL, which would otherwise be replayed into a new one.
    static func setAside(_ path: String, as aside: String) {
        for suffix in ["", "-wal", "-journal"] {
            if unsafe rename(path + suffix, aside + suffix) != 0 {
                _ = unsafe unlink(path + suffix)
            }
        }
    }
}
