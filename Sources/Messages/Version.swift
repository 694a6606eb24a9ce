/// The version of the product, as `rempart --version` and `rempart status` show it; nowhere else.
package let productVersion = "0.1.0"
/// The day of the version, as the man pages have it: a day of the build would make each build another one.
package let productDate = "2026-11-28"
