// A pool of mysql.
const driver = require("mysql");
const orders = require("../_node/mysql");
const serve = require("../_node/shop");

orders(driver).then(serve);
