internal import SQLite
package import TemporaryFolder

extension TemporaryFolder {
    /// Makes or changes a database with SQL of the test; its path.
    @discardableResult
    package func database(_ name: String, _ sql: String) throws -> String {
        let file = "\(path)/\(name)"
        try SQLiteDatabase(path: file, .writing, busyTimeout: 1000).execute(sql)
        return file
    }
}
