/* The header by which sketches find the library; empty there too. */
