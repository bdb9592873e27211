//! Pages: askama templates over the same bodies that the API answers with.
