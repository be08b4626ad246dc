import Glibc

/// The C library's words for an error number.
func errorText(_ number: Int32) -> String {
  unsafe String(cString: strerror(number))
}
