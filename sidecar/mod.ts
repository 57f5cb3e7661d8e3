/** What commands, examples and embedders may use of the sidecar. */
export { ERROR_CODES, GuardError, type GuardErrorCode, messageOf } from "./model/errors.ts";
