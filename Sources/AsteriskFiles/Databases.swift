// Where Realtime's databases are and how Asterisk logs in: the files of its drivers.

/// A class of res_odbc.conf.
package struct ODBCClass: Equatable, Sendable {
    /// The class, by which extconfig.conf names it.
    package let name: [UInt8]
    /// The data source of odbc.ini; never empty.
    package let dataSource: [UInt8]
    /// The user; empty when the data source knows it.
    package let user: [UInt8]
    /// The password; empty when the data source knows it.
    package let password: [UInt8]
    /// Where the class stands.
    package let place: Place
}

/// How the drivers `mysql` and `pgsql` log in; what is empty is left to the driver.
package struct DatabaseLogin: Equatable, Sendable {
    /// The section, by which extconfig.conf names it; `general` for `pgsql`.
    package let name: [UInt8]
    /// The server's host or address.
    package let host: [UInt8]
    /// The server's port, as it stands.
    package let port: [UInt8]
    /// The socket of a server on this machine; for `pgsql` the folder that it is in.
    package let socket: [UInt8]
    /// The database.
    package let database: [UInt8]
    /// The user.
    package let user: [UInt8]
    /// The password.
    package let password: [UInt8]
    /// Where the section stands.
    package let place: Place
}

/// A database of res_config_sqlite3.conf.
package struct SQLiteFile: Equatable, Sendable {
    /// The section, by which extconfig.conf names it.
    package let name: [UInt8]
    /// The file's path, as it stands.
    package let path: [UInt8]
    /// Where the section stands.
    package let place: Place
}

/// The databases that the lines of extconfig.conf can name; a driver's file is read when a line names the driver.
package struct Databases: Sendable {
    /// The classes of res_odbc.conf that are enabled.
    package private(set) var odbc: [ODBCClass] = []
    /// The sections of res_config_mysql.conf.
    package private(set) var mysql: [DatabaseLogin] = []
    /// res_pgsql.conf.
    package private(set) var pgsql: DatabaseLogin?
    /// The sections of res_config_sqlite3.conf.
    package private(set) var sqlite: [SQLiteFile] = []

    /// Reads the files of the drivers that are named.
    init(
        _ folder: inout AsteriskFolder, _ realtime: RealtimeMap
    ) throws(ConfigurationFault) {
        func names(_ engine: StaticString) -> Bool {
            realtime.mappings.contains { $0.engine.isSpelled(engine) }
        }
        if names("odbc"), let file = try folder.configuration("res_odbc.conf") { readODBC(file) }
        if names("mysql"), let file = try folder.configuration("res_config_mysql.conf") {
            mysql = file.objects.map(Self.mysqlLogin)
        }
        if names("pgsql"), let file = try folder.configuration("res_pgsql.conf") {
            pgsql = file.section("general").map(Self.pgsqlLogin)
        }
        if names("sqlite3"), let file = try folder.configuration("res_config_sqlite3.conf") {
            sqlite = file.objects.compactMap { section in
                section.last("dbfile").map {
                    SQLiteFile(name: section.name, path: $0.value, place: section.place)
                }
            }
        }
    }

    private mutating func readODBC(_ file: Configuration) {
        for section in file.objects {
            // It sets the environment.
            guard !section.name.isSpelled("ENV") else { continue }
            let isEnabled = section.last("enabled")?.value.isTrue ?? true
            guard isEnabled, let source = section.last("dsn")?.value, !source.isEmpty else {
                continue
            }
            odbc.append(
                ODBCClass(
                    name: section.name, dataSource: source, user: section.value("username"),
                    password: section.value("password"), place: section.place))
        }
    }

    private static func mysqlLogin(_ section: Section) -> DatabaseLogin {
        login(
            section, host: ["dbhost"], port: ["dbport"], socket: ["dbsock"], database: ["dbname"],
            user: ["dbuser"], password: ["dbpass"])
    }

    /// Newer names first: Asterisk has both.
    private static func pgsqlLogin(_ section: Section) -> DatabaseLogin {
        login(
            section, host: ["hostname", "dbhost"], port: ["port", "dbport"],
            socket: ["socket", "dbsock"], database: ["dbname"], user: ["user", "dbuser"],
            password: ["password", "dbpass"])
    }

    /// A login by the names of its variables; the first of a name counts.
    private static func login(
        _ section: Section, host: [StaticString], port: [StaticString], socket: [StaticString],
        database: [StaticString], user: [StaticString], password: [StaticString]
    ) -> DatabaseLogin {
        func value(_ names: [StaticString]) -> [UInt8] {
            names.lazy.compactMap { section.first($0)?.value }.first ?? []
        }
        return DatabaseLogin(
            name: section.name, host: value(host), port: value(port), socket: value(socket),
            database: value(database), user: value(user), password: value(password),
            place: section.place)
    }
}
