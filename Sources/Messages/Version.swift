/// The version of the product, as `rempart --version` and `rempart status` show it; nowhere else.
package let productVersion = "0.1.0"
