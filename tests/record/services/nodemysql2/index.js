// A pool of mysql2.
const driver = require("mysql2");
const orders = require("../_node/mysql");
const serve = require("../_node/shop");

orders(driver).then(serve);
