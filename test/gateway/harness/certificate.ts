// A self-signed certificate for a test, made by the same code as the one of `npm start`.
