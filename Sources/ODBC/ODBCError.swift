// Why a call of ODBC failed, and what that means for who asked.
internal import Sys

/// An ODBC call that failed.
package struct ODBCError: Error, Equatable, CustomStringConvertible {
    /// The five characters of SQLSTATE (ISO/IEC 9075-2, section 24); "HY000" where the driver has told none.
    package let state: String
    /// The database's own number; 0 where there is none.
    package let native: Int32
    /// The driver's words in one line, at most 400 bytes.
    package let description: String

    /// A failure of its parts; line ends and control characters of the words become blanks.
    package init(state: String, native: Int32, words: some Sequence<UInt8>) {
        self.state = state
        self.native = native
        let line = words.prefix(400).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        description = String(decoding: line, as: UTF8.self)
    }

    /// Whether the connection is lost, or is to be given up since nobody knows what is still to come on it.
    ///
    /// 2006 and 2013 are MariaDB's "server has gone away" and "lost connection"; 57P01 to 57P03 are
    /// PostgreSQL's shutdown; HYT00 and HYT01 say that a time has passed.
    package var isLost: Bool {
        state.hasPrefix("08") || state.hasPrefix("57P") || state == "HYT00" || state == "HYT01"
            || native == 2006 || native == 2013
    }

    /// Whether nobody answers where the database should be (MariaDB's 2002, 2003 and 2005).
    package var isUnreachable: Bool { [2002, 2003, 2005].contains(native) }

    /// Whether the login may not read what was asked for (MariaDB's 1142 to 1143, PostgreSQL's 42501).
    package var isDenied: Bool { state == "42501" || native == 1142 || native == 1143 }

    /// Whether the login may not use the database at all (MariaDB's 1044).
    package var isOfGrant: Bool { native == 1044 }

    /// Whether the server takes nobody, or not that login, from this machine's address (MariaDB's 1130; PostgreSQL says
    /// it in words alone).
    package var isOfAddress: Bool { native == 1130 || description.contains("pg_hba.conf") }

    /// Whether there is no such column (42S22 and MariaDB's 1054, PostgreSQL's 42703).
    package var isOfNoColumn: Bool { state == "42S22" || state == "42703" || native == 1054 }

    /// Whether the value of a parameter cannot stand in the column's characters, so that no row has it.
    ///
    /// 1267 and 1366 are MariaDB's for collations that do not mix, and for a value that is no text there.
    package var isUnfitParameter: Bool {
        state == "22021" || state == "22P05" || native == 1267 || native == 1366
    }
}
