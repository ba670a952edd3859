"""The model in service: kept fresh by what people do, replaced by a better one."""
