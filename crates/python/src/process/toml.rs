//! Reads TOML for the configuration file: Python's own reader exists only from 3.11 on.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use toml::Value;

/// Reads a TOML document into nested dicts.
///
/// Raises `ValueError`, naming line and column, if it is malformed.
#[pyfunction]
pub(crate) fn load_toml<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let table: toml::Table =
        toml::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    to_python(py, Value::Table(table))
}

fn to_python(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    match value {
        Value::String(text) => Ok(text.into_pyobject(py)?.into_any()),
        Value::Integer(number) => Ok(number.into_pyobject(py)?.into_any()),
        Value::Float(number) => Ok(number.into_pyobject(py)?.into_any()),
        Value::Boolean(flag) => Ok(flag.into_pyobject(py)?.to_owned().into_any()),
        // No adjustment is a date; the adjustment that gets this text refuses it.
        Value::Datetime(time) => Ok(time.to_string().into_pyobject(py)?.into_any()),
        Value::Array(items) => {
            let items = items
                .into_iter()
                .map(|item| to_python(py, item))
                .collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, items)?.into_any())
        }
        Value::Table(table) => {
            let dict = PyDict::new(py);
            for (name, item) in table {
                dict.set_item(name, to_python(py, item)?)?;
            }
            Ok(dict.into_any())
        }
    }
}
